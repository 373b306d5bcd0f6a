"""Analysis of games by a trained agent: what positions are worth, and which moves were mistakes."""
