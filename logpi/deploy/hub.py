"""Bundles to and from the Hugging Face hub, by its own library ``huggingface_hub``.

The library finds the token itself (``HF_TOKEN``, or ``hf auth login``): logpi neither takes, prints nor stores one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logpi.deploy.bundle import FILES, check_free, umask
from logpi.errors import LogpiError
from logpi.runs import sums
from logpi.runs.cards import NAME, WEIGHTS, read_card
from logpi.runs.files import disk_error

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
KNOWN = (*FILES, "README.md", sums.NAME)  # all that is sent, and all that is fetched
LARGEST = 2**30  # bytes of a bundle that is fetched


def push(folder: Path, repo: str, private: bool) -> str:
    """Send the bundle in ``folder`` as one commit: all of it arrives, or nothing; returns the address of its page.

    Raises:
        LogpiError: it is not a whole bundle, the extra is missing, or the hub refuses or is not reached.
    """
    check_repo(repo)
    if not (folder / sums.NAME).is_file():
        raise LogpiError(
            f"{folder} is not a bundle: it has no {sums.NAME}; make one with `logpi bundle RUN`, and push that"
        )
    read_card(folder)
    names = [name for name in (*sums.read_sums(folder), sums.NAME) if name in KNOWN]
    with library() as hub:
        api = hub.HfApi()
        page = api.create_repo(repo, private=private, exist_ok=True)
        added = [hub.CommitOperationAdd(name, folder / name) for name in names]
        api.create_commit(repo, added, commit_message="An agent by logpi")
    return str(page)


def pull(repo: str, out: Path, revision: str | None) -> None:
    """Fetch a bundle into the folder ``out``: whole and equal to its sums, or not at all.

    What was fetched before an interruption stays in the library's own cache, and is not fetched again.

    Raises:
        LogpiError: ``out`` exists, the repository holds no bundle, the extra is missing, the hub refuses or is not
            reached, or the disk refuses.
    """
    check_repo(repo)
    check_free(out)
    with library() as hub:
        info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True)
        there = {part.rfilename: part.size or 0 for part in info.siblings if part.rfilename in KNOWN}
        if lacking := [name for name in (NAME, WEIGHTS, sums.NAME) if name not in there]:
            raise LogpiError(f"{repo} holds no bundle of logpi: {', '.join(lacking)} is not there")
        if (size := sum(there.values())) > LARGEST:
            raise LogpiError(f"{repo} has {size:,} bytes, more than {LARGEST:,}: it is not fetched")
        fetched = Path(hub.snapshot_download(repo, revision=info.sha, allow_patterns=list(there)))
    _put(fetched, list(there), out)


def _put(fetched: Path, names: list[str], out: Path) -> None:
    """Copy files into ``out`` by way of a hidden folder beside it, once they are what their sums say."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            for name in names:
                shutil.copyfile(fetched / name, made / name)
            read_card(made)
            made.chmod(0o777 & ~umask())
            os.rename(made, out)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise disk_error(out, error) from error


def check_repo(repo: str) -> None:
    """Refuse what is not the name of a repository.

    Raises:
        LogpiError: with the form that it must have.
    """
    if not REPO.fullmatch(repo) or ".." in repo:
        raise LogpiError(f"{repo!r} is not a repository of the hub; write OWNER/NAME")


@contextlib.contextmanager
def library() -> Iterator[Any]:
    """The package huggingface_hub; its errors become LogpiErrors, without the token.

    Raises:
        LogpiError: it is not installed, or the hub refuses or is not reached.
    """
    try:
        import huggingface_hub as hub
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as error:
        raise LogpiError("the hub needs the package of the extra hub: pip install 'logpi[hub]'") from error
    disable_progress_bars()
    try:
        yield hub
    except LogpiError:
        raise
    except Exception as error:  # of the library, of the connection below it, of a server's answer
        text, token = f"{type(error).__name__}: {error}", hub.get_token()
        text = text.replace(token, "***") if token else text
        step = "check the name, and log in with `hf auth login` or HF_TOKEN where the repository asks for it"
        raise LogpiError(f"the hub did not do it: {text:.500}; {step}") from None
