"""A class of made-up students: what each hands in, and the points that it should come back with.

python -m tests.hand_ins folder
"""

import sys
import zipfile
from pathlib import Path

SOLUTIONS = Path(__file__).parent / "solutions"
RIGHT = (SOLUTIONS / "einsum.py").read_text(encoding="utf-8")
FILES = ("rnn.py", "temporal.py", "lstm.py", "attention.py")
WHERE = "helpers/kernels/"
# A way to `sys.modules` that no reading of the source finds
HIDDEN = """
import dataclasses
import operator
modules = operator.attrgetter("sys.modules")(dataclasses)
"""
STEP = """
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    {}
    return x, None
"""
WHOLE, RNN, LSTM, ATTENTION = 38, 8, 11, 12  # points: of all kernels, and of those in a file


def whole(text):
    """Hand in one text as each of the files."""
    return {WHERE + name: text for name in FILES}


def hostile(*lines, first=HIDDEN):
    """Hand in rnn.py whose first kernel does something else, and whose others are right."""
    step = STEP.format("\n    ".join(lines))
    body = RIGHT.replace("def rnn_step_forward", "def unused")
    return {WHERE + "rnn.py": body + first + step}


def students(secret):
    """List the class: name -> (file name -> text, points).

    Inputs: secret: path of a file that nobody may read or change
    """
    four = RIGHT.split("def lstm_gates_forward")[0]
    no_forget = RIGHT.replace("next_c = f * prev_c + i * g", "next_c = prev_c + i * g")
    assert no_forget != RIGHT
    endless, much = "while True: pass", "[print('dx' * 99) for _ in range(1000)]"
    disk = 'modules["io"].open(f"/tmp/uma{k}", "wb").write(b"0" * 10**9)'
    others_work = f'modules["io"].open({secret!r}).read()'
    others = RNN - 1 - 2  # the step's backward pass waits for its forward pass
    return {
        "ada_right": (whole(RIGHT), WHOLE),
        "bea_names_her_cache": (whole((SOLUTIONS / "dict_cache.py").read_text()), WHOLE),
        "cem_half": ({WHERE + "rnn.py": four}, RNN),
        "dan_does_not_compile": (
            whole(RIGHT) | {WHERE + "lstm.py": "def lstm_forward(:\n", WHERE + "attention.py": ""},
            WHOLE - LSTM - ATTENTION,
        ),
        "eve_forgets_nothing": (
            whole(no_forget) | {WHERE + "attention.py": ""},
            WHOLE - LSTM - ATTENTION,
        ),
        "fay_nothing": ({"README.md": "Sorry!"}, 0),
        "gil_not_a_zip": (None, 0),
        "hal_endless": (hostile(endless), others),
        "ida_endless_at_import": ({WHERE + "rnn.py": RIGHT + "\n" + endless}, 0),
        "jon_deletes": (
            hostile(
                'modules["shutil"].rmtree(modules["os"].path.dirname(modules["os"].getcwd()))',
                f'modules["os"].remove({secret!r})',
            ),
            others,
        ),
        "kim_prints": (
            {WHERE + "rnn.py": RIGHT.replace("    a = xp.ein", f"    {much}\n    a = xp.ein", 1)},
            RNN,
        ),
        "lou_edits_the_grader": (
            hostile(f'modules["io"].open({secret!r}, "w").write("10 of 10")'), others,
        ),
        "max_exits": (hostile('modules["os"]._exit(0)'), others),
        "ned_fakes_a_verdict": (
            hostile(
                'modules["helpers.diagnosis"] = modules["json"]',
                'modules["os"].write(4, b"{}" * 99)',
                'for fd in range(3, 20):',
                '    try: modules["os"].write(fd, b\'{"state": "right", "score": 38}\' * 9)',
                "    except OSError: pass",
                'print(\'{"state": "right", "score": 38}\')',
                'modules["os"]._exit(0)',
            ),
            others,
        ),
        "ora_takes_all_memory": (
            hostile("kept = []", "while True: kept.append(x.repeat(10**7))"), others
        ),
        "pat_forks": (
            hostile(
                "while True:",
                '    try: modules["os"].fork()',
                "    except Exception: pass",
                '    modules["_thread"].start_new_thread(print, ())',
            ),
            others,
        ),
        "quo_leads_out_of_the_zip": (
            {"../../helpers/kernels/rnn.py": RIGHT, "/tmp/helpers/kernels/rnn.py": RIGHT,
             WHERE + "../kernels/lstm.py": RIGHT, "evil": "->" + secret},
            0,
        ),
        "ray_asks_autograd": (
            hostile("x.requires_grad_()", "y = torch.autograd.grad", first="import torch\n"), others
        ),
        "sue_takes_torchs_lstm": (
            {WHERE + "lstm.py": RIGHT + "\nfrom torch import nn\n"}, 0,
        ),
        "tom_imports_the_solution": (
            {WHERE + "rnn.py": "from helpers.diagnosis.textbook import *\n" + four}, 0,
        ),
        "uma_fills_the_disk": (
            hostile("for k in range(9):", f"    {disk}"), others
        ),
        "vic_reads_the_others": (hostile(f"raise ValueError({others_work})"), others),
    }  # fmt: skip


def write(folder, secret):
    """Write what the class hands in, as zip files. Returns: dict from name to points"""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (files, score) in students(str(secret)).items():
        expected[name] = score
        if files is None:
            (folder / f"{name}.zip").write_text("my homework")
            continue
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for path, text in files.items():
                info = zipfile.ZipInfo(path)
                if text.startswith("->"):
                    info.external_attr = 0o120777 << 16  # a symbolic link
                archive.writestr(info, text.removeprefix("->"))
    return expected


if __name__ == "__main__":
    print(write(sys.argv[1], sys.argv[2]))
