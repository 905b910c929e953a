"""What a model.toml that is given at pack declares: pictures, texts, and outputs.

Reference and evaluation rows may then hold pictures and texts too. They are prepared as requests
will be, so that guards learn from what the model sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import FairleadError, FileUnreadable, RowsInvalid
from fairlead.core.package import GuardChoice
from fairlead.core.preparation import (
    FOLDER,
    Meaning,
    Picture,
    Pooling,
    Preparation,
    Text,
    public_signature,
)
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.inputs.pictures import Pictures, sample
from fairlead.inputs.text import Texts
from fairlead.packages.preparations import (
    check_preparations,
    meanings_of,
    meant,
    poolings_of,
    preparations_of,
)
from fairlead.packages.read import guards_of, read_words
from fairlead.packing.rows import Table, read

_MOST_WORDS = 1 << 20
_MOST_TOKENIZER = 64 << 20
_MOST_PICTURE = 64 << 20
_MOST_FILES = 200_000
_MOST_BYTES = 1 << 30
"""Of memory for prepared rows; where there are more, some are drawn."""

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FILE = "file"
"""The column of a table that names picture files, relative to the table's own folder."""

_SENTENCE = "The harbour is calm this morning."
_SEED = 0


@dataclass(slots=True)
class Declared:
    """A model.toml as its owner wrote it, and the files beside it that it names.

    text: of the file, "" for none. shown: a picture or text of the rows for each declared name.
    """

    text: str = ""
    preparations: tuple[Preparation, ...] = ()
    poolings: tuple[Pooling, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    guards: GuardChoice = field(default_factory=GuardChoice)
    files: dict[str, bytes | Path] = field(default_factory=dict[str, bytes | Path])
    shown: dict[str, str | bytes] = field(default_factory=dict[str, str | bytes])

    def check(self, signature: Signature, where: str) -> None:
        """Raises PackageInvalid unless the model has the inputs that are declared."""
        check_preparations(self.preparations, signature, where, self.files)

    def meant(self, signature: Signature, where: str) -> Signature:
        """The signature with what is said of its outputs. Raises PackageInvalid."""
        return meant(signature, self.meanings, where) if self.meanings else signature

    def rows(self, path: Path) -> Table:
        """The rows of a file, or the pictures of a folder, prepared for the model.

        Raises RowsInvalid, FileUnreadable, MissingExtra.
        """
        if not self.preparations:
            return read(path)
        if not path.is_dir():
            table = read(path)
            return self._prepared(table, path.parent)
        if len(self.preparations) != 1 or not isinstance(self.preparations[0], Picture):
            raise RowsInvalid("a folder of rows is for a model of pictures", where=str(path))
        found = sorted(p.name for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
        if not found:
            raise RowsInvalid(
                "there is no picture in the folder",
                where=str(path),
                fix=f"Endings: {', '.join(_SUFFIXES)}",
            )
        names = np.array(found[:_MOST_FILES], dtype=object)
        return self._prepared(Table({_FILE: names}), path)

    def _prepared(self, table: Table, folder: Path) -> Table:
        """The table with tensors where it had pictures and texts."""
        columns = dict(table.columns)
        makers = {one.name: self._maker(one) for one in self.preparations}
        most = _MOST_BYTES // max(1, sum(maker.row_bytes for maker in makers.values()))
        count = table.count
        if count > most:
            drawn = np.sort(np.random.default_rng(_SEED).choice(count, most, replace=False))
            columns = {name: values[drawn] for name, values in columns.items()}
        for one in self.preparations:
            maker = makers[one.name]
            name = _column_of(one, columns)
            values: list[Any] = columns.pop(name).tolist()
            try:
                columns |= self._made(one, maker, values, folder)
            except FairleadError as error:
                if error.row is None:
                    raise
                raise RowsInvalid(
                    error.what, where=error.where, fix=error.fix, row=error.row
                ) from None
        return Table(columns, table.of or (count if count > most else 0))

    def _made(
        self, one: Preparation, maker: Pictures | Texts, values: list[Any], folder: Path
    ) -> dict[str, Array]:
        """The inputs of one declaration for the values of its column."""
        if isinstance(maker, Pictures):
            given = [_picture(folder, value, row) for row, value in enumerate(values)]
            self.shown.setdefault(one.name, given[0])
            return {one.input: maker.array(given)}
        texts = [str(value) for value in values]
        self.shown.setdefault(one.name, texts[0])
        return maker.arrays(texts)

    def _maker(self, one: Preparation) -> Pictures | Texts:
        if isinstance(one, Picture):
            return Pictures(one, np.float32)
        raw = self.files[f"{FOLDER}/{one.tokenizer}"]
        assert isinstance(raw, bytes)
        return Texts(one, raw)

    def example(
        self, told: dict[str, Any], signature: Signature, *, private: bool
    ) -> dict[str, Any]:
        """Examples as `examples` makes them, whose row is as people send it.

        private: with none of the owner's pictures and texts.
        """
        if not self.preparations:
            return told
        row: dict[str, Any] = {}
        made = {one.name: one for one in self.preparations}
        tensors = {tensor["name"]: tensor for tensor in told["inputs"]}
        for spec in public_signature(signature, self.preparations).inputs:
            one = made.get(spec.name)
            if one is None:
                tensor = tensors[spec.name]
                row[spec.name] = np.array(tensor["data"], object).reshape(tensor["shape"])[0]
                row[spec.name] = row[spec.name].tolist() if tensor["shape"][1:] else row[spec.name]
                continue
            given = None if private else self.shown.get(spec.name)
            if isinstance(one, Picture):
                row[spec.name] = sample(one, given if isinstance(given, bytes) else None)
            else:
                row[spec.name] = str(given)[:200] if given else _SENTENCE
        return {**told, "rows": [row]}


def read_declared(path: Path) -> Declared:
    """What a model.toml declares, with its tokenizers. Raises FileUnreadable, PackageInvalid."""
    raw = read_beside(path, _MOST_WORDS)
    words, _ = read_words(raw, str(path))
    preparations = preparations_of(words, str(path))
    return Declared(
        raw.decode(),
        preparations,
        poolings_of(words, str(path)),
        meanings_of(words, str(path)),
        guards_of(words, str(path)),
        dict(tokenizers_of(preparations, path.parent)),
    )


def tokenizers_of(preparations: Sequence[Preparation], folder: Path) -> Mapping[str, bytes]:
    """The files of tokenizers by their path in the package. Raises FileUnreadable."""
    return {
        f"{FOLDER}/{one.tokenizer}": read_beside(folder / one.tokenizer, _MOST_TOKENIZER)
        for one in preparations
        if isinstance(one, Text)
    }


def read_beside(path: Path, most: int) -> bytes:
    """A file of at most so many bytes. Raises FileUnreadable."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > most:
        raise FileUnreadable(f"{path} is larger than {most >> 20} MiB")
    return raw


def _column_of(one: Preparation, columns: Mapping[str, Array]) -> str:
    """The column that holds the pictures or texts. Raises RowsInvalid."""
    usual = (one.name, _FILE) if isinstance(one, Picture) else (one.name,)
    found = next((name for name in usual if name in columns), None)
    if found is None:
        raise RowsInvalid(
            f"the rows have no column {one.name!r}",
            fix=f"Name the column {' or '.join(usual)}; it has {', '.join([*columns][:20])}",
        )
    return found


def _picture(folder: Path, given: Any, row: int) -> bytes:
    """The bytes of a picture file that a row names. Raises RowsInvalid."""
    try:
        return read_beside(folder / str(given), _MOST_PICTURE)
    except FairleadError as error:
        raise RowsInvalid(error.what, where=f"row {row}", row=row) from None
