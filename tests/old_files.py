"""Checkpoints and vocabularies as the Python 2 and PyTorch of 2017 wrote them; hostile pickles."""

import os
import pickle
import re
import sys
import types
from collections import OrderedDict

import torch

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {
    "protocol_version": VERSION,
    "type_sizes": {"int": 4, "short": 2, "long": 4},
    "little_endian": True,
}


class Payload:
    """When unpickled the usual way, makes a folder."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class _OldPickler(pickle._Pickler):
    """Protocol 2 with byte strings, tensors by the first of torch's rebuild functions."""

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.dispatch = self.dispatch | {str: _OldPickler._save_str}

    def _save_str(self, text):
        self.write(pickle.SHORT_BINSTRING + bytes([len(text)]) + text.encode())
        self.memoize(text)

    def reducer_override(self, value):
        if isinstance(value, torch.Tensor):
            place = (_Storage(value), 0, tuple(value.shape), value.stride())
            return torch._utils._rebuild_tensor, place
        if isinstance(value, OrderedDict):
            return OrderedDict, ([[name, tensor] for name, tensor in value.items()],)
        return NotImplemented

    def persistent_id(self, value):
        if not isinstance(value, _Storage):
            return None
        count = value.tensor.numel()
        return ("storage", torch.FloatStorage, value.key, "cpu", count, None)


class _Storage:
    def __init__(self, tensor):
        self.tensor, self.key = tensor, str(94000000000000 + id(tensor) % 10**9)


def write_checkpoint(path, network):
    """Write a network's weights in torch's legacy format; counts of batches were not yet kept."""
    tensors = OrderedDict(
        (name, tensor.contiguous())
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )
    with open(path, "wb") as file:
        for header in (MAGIC, VERSION, SYSTEM):
            pickle.dump(header, file, protocol=2)
        _OldPickler(file).dump(tensors)
        stored = {_Storage(tensor).key: tensor for tensor in tensors.values()}
        pickle.dump(sorted(stored), file, protocol=2)
        for _, tensor in sorted(stored.items()):
            file.write(tensor.numel().to_bytes(8, "little"))
            file.write(tensor.numpy().tobytes())


def pickled_vocabulary(words, module="__main__", protocol=0, python2=False, **changes):
    """Pickle the words as an instance of `Vocabulary` from some module. Returns: bytes."""
    kind = type("Vocabulary", (), {"__module__": module})
    record = kind()
    record.idx2word = dict(enumerate(words))
    record.word2idx = {word: index for index, word in enumerate(words)}
    record.idx = len(words)
    vars(record).update(changes)
    known = sys.modules.get(module)
    home = sys.modules[module] = types.ModuleType(module)
    home.Vocabulary = kind
    try:
        content = pickle.dumps(record, protocol)
    finally:
        del sys.modules[module]
        if known:
            sys.modules[module] = known
    # Python 2 wrote byte strings; the other line of this form names the class
    return re.sub(rb"(?m)^(s?)V(?!ocabulary$)(.*)$", rb"\1S'\2'", content) if python2 else content
