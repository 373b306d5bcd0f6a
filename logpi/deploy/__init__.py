"""Trained agents outside of the run that made them: ONNX models, bundles, the hub, and those that come with logpi."""
