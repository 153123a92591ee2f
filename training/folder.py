"""A folder of videos or pictures, with their captions, as a data set."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .captions import caption, captions_of_csv, repeats
from .clips import Taking
from .dataset import CENTER, Clips, checked, clips_of
from .media import ANIMATIONS, PICTURES, VIDEOS, source_of

LATENTS = ".latents"
"""The folder beside the files that holds what the VAE made of them."""


@dataclass(frozen=True)
class Found:
    path: Path
    name: str
    """Its path in the folder."""
    caption: str
    repeats: int


@dataclass(frozen=True)
class FolderSettings:
    """What the forms of both data sets ask."""

    taking: Taking
    width: int
    height: int
    fit: str = CENTER
    fallback_caption: str = ""
    trigger: str = ""
    flip: bool = False
    repeats_by_folder_name: bool = True
    csv: str = ""

    @property
    def endings(self) -> tuple[str, ...]:
        return VIDEOS + ANIMATIONS + (PICTURES if self.taking.frames == 1 else ())


def clips_in(folder: Path, settings: FolderSettings, progress: Callable[[int, int], None] | None = None) -> Clips:
    """The data set in a folder and the folders in it. progress: is told how many files are read, of how many."""
    found = list(listed_in_csv(folder, settings) if settings.csv.strip() else listed(folder, settings))
    if not found:
        kind = ("videos or pictures", "a still") if settings.taking.frames == 1 else ("videos", "a clip")
        raise ValueError(
            f"'{folder.name}' holds no {kind[0]} ({', '.join(ending[1:] for ending in settings.endings)}). Put them "
            f"into {folder}, each with a .txt of the same name that says what it shows."
        )
    items = []
    for number, file in enumerate(found):
        words = caption(file.caption, settings.trigger, settings.fallback_caption)
        more = {"repeats": file.repeats, "captioned": bool(file.caption.strip())}
        items += clips_of(file.name, words, source_of(file.path), settings.taking, **more)
        if progress:
            progress(number + 1, len(found))
    return Clips(
        checked(items), settings.width, settings.height, settings.fit, settings.flip, settings.trigger, folder=folder
    )


def listed(folder: Path, settings: FolderSettings) -> Iterator[Found]:
    """Every file of the right kind, with the text file beside it."""
    for path in files_in(folder):
        times = repeats(path.parent.name) if settings.repeats_by_folder_name and path.parent != folder else 1
        if path.suffix.lower() in settings.endings and times:
            yield Found(path, path.relative_to(folder).as_posix(), text_of(path.with_suffix(".txt")), times)


def files_in(folder: Path) -> Iterator[Path]:
    """In order, without what is hidden."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise ValueError(f"'{path.name}' is not text in UTF-8. Save it again as UTF-8.") from error


def listed_in_csv(folder: Path, settings: FolderSettings) -> Iterator[Found]:
    """The videos of a CSV that are there; guoyww's lists name more than anybody has."""
    name = settings.csv.strip()
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"There is no '{name}' in {folder}. Put it there, or leave csv empty to use .txt files.")
    captions = captions_of_csv(text_of(path), name)
    found = [(folder / f"{video}.mp4", text) for video, text in captions.items()]
    within = os.path.join(os.path.normpath(folder), "")
    there = [(video, text) for video, text in found if os.path.normpath(video).startswith(within) and video.is_file()]
    if not there:
        raise ValueError(
            f"'{name}' lists {len(found)} videos, and none of them is in {folder}. They must be there as <videoid>.mp4."
        )
    return (Found(video, video.name, text, 1) for video, text in there)


def state_of(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of every file: another list where something has changed."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files_in(folder)]
