"""The archive that the registry publishes: the files that git tracks, without those that .comfyignore names."""

import subprocess
import zipfile
from pathlib import Path


def published_files(root: Path) -> list[str]:
    """Paths under `root`, which is a git checkout."""

    def listed(*words: str) -> set[str]:
        command = ["git", "-C", str(root), "ls-files", "-z", *words]
        return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")) - {""}

    ignored = listed("--cached", "--ignored", f"--exclude-from={root / '.comfyignore'}")
    return sorted(listed() - ignored)


def publish(root: Path, archive: Path) -> list[str]:
    """Writes the archive; the paths in it."""
    files = published_files(root)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in files:
            file.write(root / name, name)
    return files
