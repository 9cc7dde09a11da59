"""The training loop: it learns, it resumes to the bit, it loses nothing."""

import itertools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from old_files import Payload
from small import CAPTIONS, VOCABULARY, small_examples, small_features, small_model

from helpers.captioner import CaptioningRNN
from helpers.encoder import WordDetector
from helpers.examples import CaptionExamples
from helpers.files import DataError
from helpers.pretrained.fusion import FusedCaptioner
from helpers.self_critical import sampled_captions
from helpers.settings import TrainingError, TrainingSettings
from helpers.training import set_seed, train, validation_scores

ROOT = Path(__file__).parents[1]
TIMES = ("seconds", "captions/s", "waited")
SETTINGS = {"epochs": 4, "batch_size": 3, "learning_rate": 0.02, "label_smoothing": 0.0}


def run(folder=None, cell_type="lstm", resume=False, validate=None, **changes):
    """Train a small model with dropout. Returns: model, history."""
    model = small_model(cell_type, dropout=0.2)
    examples = small_examples(cell_type)

    def score(model):
        return validation_scores(model, examples.features, CAPTIONS)

    settings = TrainingSettings(**SETTINGS | changes)
    return model, train(
        model, examples, validate or score, settings, folder, resume, progress=False
    )


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "attn"])
def test_learns_by_heart(cell_type):
    one_each = [several[:1] for several in CAPTIONS]
    model, epochs = small_model(cell_type), itertools.count()
    history = train(
        model, small_examples(cell_type, one_each), lambda model: {"epoch number": next(epochs)},
        TrainingSettings(epochs=100, batch_size=2, learning_rate=0.03), progress=False,
        decides="epoch number",
    )  # fmt: skip
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    captions = model.sample(small_features(4, cell_type).half().float())
    assert [[caption.text] for caption in captions] == one_each


def test_same_seed_same_weights():
    models = [run()[0], run()[0], run(seed=1)[0]]
    first, second, other = map(weights, models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_resumed_equals_uninterrupted(tmp_path):
    whole, history = run(tmp_path / "whole")
    calls = []

    def interrupt(model):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validation_scores(model, small_examples().features, CAPTIONS)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", validate=interrupt)
    model, resumed = run(tmp_path / "cut", resume=True)
    for name, value in weights(whole).items():
        assert torch.equal(weights(model)[name], value), name
    timeless = [{k: v for k, v in r.items() if k not in TIMES} for r in resumed]
    assert [r | t for r, t in zip(history, timeless, strict=True)] == history
    log = (tmp_path / "cut" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [1, 2, 3, 4]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_killed_ten_times_equals_uninterrupted(tmp_path, precision, engine="textbook"):
    # kill -9 at random moments, most of them within an epoch of 60 steps
    command = [sys.executable, ROOT / "tests" / "killed_run.py", tmp_path, precision, engine]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["equal"], report
    assert any(step % 60 for step in report["steps"]), report
    assert report["steps"] == sorted(report["steps"]), report  # no run began anew
    assert report["files"] == ["end.pt", "last.pt", "log.jsonl"]  # nothing half-written is left


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    whole, _ = run(tmp_path / "whole")
    before = []

    def fill_the_disk(model):
        if len(before) == 1:  # a file may now grow to half of what a checkpoint takes
            size = (tmp_path / "cut" / "last.pt").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
        before.append((tmp_path / "cut" / "last.pt").exists())
        return validation_scores(model, small_examples().features, CAPTIONS)

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingError, match=r"last\.pt: cannot be written.*--resume"):
            run(tmp_path / "cut", validate=fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert before == [False, True]
    assert len(torch.load(tmp_path / "cut" / "last.pt", weights_only=True)["history"]) == 1
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"last.pt", "log.jsonl"}
    model, _ = run(tmp_path / "cut", resume=True)
    assert all(torch.equal(weights(model)[name], weights(whole)[name]) for name in weights(whole))


@pytest.mark.parametrize("epochs", [1, 2, 4, 5, 6])
def test_few_steps(epochs):
    # two steps to an epoch; the schedule of ten steps in all once divided by zero
    _, history = run(epochs=epochs, batch_size=4, patience=epochs)
    assert [record["epoch"] for record in history] == list(range(1, epochs + 1))


def test_stops_when_nothing_improves():
    scores = iter([0.1, 0.3, 0.2, 0.2, 0.2, 0.9])
    _, history = run(validate=lambda model: {"BLEU-4": next(scores)}, epochs=6, patience=3)
    assert [record["BLEU-4"] for record in history] == [0.1, 0.3, 0.2, 0.2, 0.2]


def test_leaves_the_best_weights():
    seen = []

    def validate(model):
        seen.append(weights(model))
        return {"BLEU-4": [0.1, 0.3, 0.2, 0.0][len(seen) - 1]}

    model, _ = run(validate=validate)
    assert all(torch.equal(weights(model)[name], seen[1][name]) for name in seen[1])


def test_the_score_that_decides_is_named():
    scores = iter([{"a": 0.9, "b": 0.1}, {"b": 0.2, "a": 0.3}, {"a": 0.5, "b": 0.0}])
    seen = []
    model = small_model()
    settings = TrainingSettings(**SETTINGS | {"epochs": 3})
    train(
        model, small_examples(), lambda m: seen.append(weights(m)) or next(scores), settings,
        progress=False, decides="a",
    )  # fmt: skip
    assert torch.equal(weights(model)["score.W"], seen[0]["score.W"])
    with pytest.raises(ValueError, match=r"decides must be one of epoch, .*, a, not 'BLEU-4'"):
        train(model, small_examples(), lambda m: {"a": 1.0}, settings, progress=False)


def test_names_the_step_where_the_loss_is_not_finite():
    with pytest.raises(TrainingError, match=r"step 0"):
        model = small_model()
        with torch.no_grad():
            model.score.b[3] = torch.nan
        train(model, small_examples(), lambda model: {}, TrainingSettings(), progress=False)


def test_gradients_are_clipped_and_the_rate_rises_and_falls_within_the_run(monkeypatch):
    norms, rates = [], []
    step = torch.optim.AdamW.step

    def watched(self, *arguments):
        weights = [weight for group in self.param_groups for weight in group["params"]]
        norms.append(torch.cat([weight.grad.flatten() for weight in weights]).norm().item())
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(clip_norm=0.1)
    assert norms == pytest.approx([0.1] * len(norms), rel=1e-3)  # they would be larger
    peak, last = SETTINGS["learning_rate"], len(rates) - 1
    assert len(rates) == 4 * 4 and max(rates) == pytest.approx(peak, rel=0.1)
    assert rates.index(max(rates)) < last / 4 and rates[last] < 1e-4 * peak


def test_averaged_weights_are_the_running_mean():
    # recomputed from the weights after each step; the average is what is validated and kept
    steps, averages = [], []

    class Watched(type(small_model())):
        def forward(self, *inputs):
            steps.append(weights(self))
            return super().forward(*inputs)

    model = small_model()
    model.__class__ = Watched
    settings = TrainingSettings(**SETTINGS | {"epochs": 2}, averaging=0.9)
    train(model, small_examples(), lambda m: averages.append(weights(m)) or {"s": len(averages)},
          settings, progress=False, decides="s")  # fmt: skip
    expected = None
    for n, value in enumerate([step["score.b"] for step in steps[1:]]):
        decay = min(0.9, n / (10 + n))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        if n == 3:  # an epoch has four steps
            torch.testing.assert_close(averages[0]["score.b"], expected)
    assert not torch.equal(averages[1]["score.b"], steps[-1]["score.b"])
    assert torch.equal(model.state_dict()["score.b"], averages[1]["score.b"])


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_refuses_a_broken_checkpoint(tmp_path, content):
    run(tmp_path)
    last = tmp_path / "last.pt"
    last.write_bytes(last.read_bytes()[:2000] if content is None else content)
    with pytest.raises(DataError, match=r"last\.pt: cannot resume"):
        run(tmp_path, resume=True)


def test_a_checkpoint_cannot_run_code(tmp_path):
    torch.save({"step": Payload(tmp_path / "ran")}, tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"last\.pt: cannot resume"):
        run(tmp_path, resume=True)
    assert not (tmp_path / "ran").exists()


def test_refuses_another_runs_checkpoint(tmp_path):
    run(tmp_path)
    with pytest.raises(DataError, match="another number of captions"):
        train(
            small_model(), small_examples(captions=[several[:1] for several in CAPTIONS]),
            lambda model: {}, TrainingSettings(**SETTINGS), tmp_path, resume=True,
        )  # fmt: skip
    with pytest.raises(DataError, match=r"last\.pt: written with batch_size \d+, not 2; resume"):
        run(tmp_path, resume=True, batch_size=2)
    with pytest.raises(DataError, match="written with a model of other sizes; resume"):
        run(tmp_path, "rnn", resume=True)


def test_bf16_stays_close_to_float32():
    losses = [
        run(precision=precision, epochs=8)[1][-1]["loss"] for precision in ("float32", "bf16")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_a_batch_holds_each_caption_once_with_its_image():
    examples = small_examples()
    batches = examples.batches(3, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(8))
    features, captions = examples.__getitems__(np.array([5, 0]))
    np.testing.assert_array_equal(features, examples.features[[2, 0]].astype(np.float32))
    assert VOCABULARY.decode(captions[0]) == CAPTIONS[2][1]
    images, same = examples.batch(np.array([5, 0]))
    assert images.tolist() == [2, 0] and torch.equal(same, captions)
    assert torch.equal(examples.read(images), features)


def test_captions_of_one_image_share_its_features_in_a_batch():
    captions = [[f"{n} boats"] * (2 + n % 2) for n in range(40)]  # two or three to an image
    examples = CaptionExamples(np.arange(40.0)[:, None], captions, VOCABULARY)
    batches = examples.batches(12, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(100))
    assert max(map(len, batches)) == 12
    for batch in batches:
        features, ids = examples.__getitems__(batch)
        K = len(ids) // len(features)
        assert K in (2, 3)
        np.testing.assert_array_equal(
            examples.rows[batch], features[:, 0].int().repeat_interleave(K)
        )


def test_each_image_can_have_the_same_number_of_captions():
    captions = [["one boat"], ["a sea", "red sea", "the sea"]]
    examples = CaptionExamples(np.zeros((2, 1)), captions, VOCABULARY, per_image=2)
    assert examples.rows.tolist() == [0, 0, 1, 1]
    said = [VOCABULARY.decode(ids) for ids in examples.ids]
    assert said == [VOCABULARY.decode(VOCABULARY.encode(text)) for text in
                    ("one boat", "one boat", "a sea", "red sea")]  # fmt: skip


def test_the_order_depends_on_seed_and_epoch():
    orders = [
        np.concatenate(small_examples().batches(3, seed, epoch)).tolist()
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1] and orders[0] != orders[2] and orders[0] != orders[3]


def test_set_seed():
    draws = []
    for seed in ((1,), (1,), (1, 2), (2,)):
        set_seed(*seed)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1] and draws[0] != draws[2] and draws[0] != draws[3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"encoder_learning_rate": 0},
        {"save_seconds": 0},
        {"precision": "int8"},
        {"label_smoothing": 1.0},
        {"patience": -1},
    ],
)
def test_names_a_wrong_setting(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


def test_an_image_without_captions_is_not_learned_from():
    captions = [["a dog", "dogs"], [], ["a cat"], []]
    features = small_features(4).numpy()
    examples = CaptionExamples(features, captions, VOCABULARY, per_image=2)
    assert examples.rows.tolist() == [0, 0, 2, 2]


def test_the_detectors_vote_is_sampled_from_and_learned_with(monkeypatch):
    model, features = small_model("attn"), small_features(4, "attn")
    detector = WordDetector(VOCABULARY.idx_to_word[4:9], features.shape[2])
    information, said, learned = detector.information(features), [], []

    def voted(rows):
        return FusedCaptioner(model, detector, information[rows])

    def sampled(speaker, features, reward, images, *how):
        said.append((images, speaker))
        return sampled_captions(speaker, features, reward, images, *how)

    def forward(self, features, captions, smoothing=0.0, weights=None, votes=None):
        learned.append((captions, votes))
        return CaptioningRNN.forward(self, features, captions, smoothing, weights, votes)

    class Watched(CaptioningRNN):
        pass

    Watched.forward = forward
    model.__class__ = Watched
    monkeypatch.setattr("helpers.training.loop.sampled_captions", sampled)
    settings = TrainingSettings(epochs=1, batch_size=4, samples=3)
    examples = CaptionExamples(features.numpy(), CAPTIONS, VOCABULARY, per_image=2)
    train(model, examples, lambda _: {"BLEU-4": 0.0}, settings, progress=False, voted=voted)
    assert len(said) == len(learned) == 2
    for (images, speaker), (captions, votes) in zip(said, learned, strict=True):
        torch.testing.assert_close(speaker.bonus, voted(images).bonus)
        assert len(images) == 2 and not torch.equal(*speaker.bonus)
        torch.testing.assert_close(votes, speaker.votes(captions[:, :-1]))


def test_validation_may_decode_with_another_than_the_model():
    model, features = small_model("attn"), small_features(4, "attn")
    word = VOCABULARY.idx_to_word[6]
    detector = WordDetector([word], features.shape[2])

    def decoder(features):
        return FusedCaptioner(model, detector, torch.full((len(features), 1), 50.0))

    def said(references, texts):
        return texts

    texts = validation_scores(model, features.numpy(), CAPTIONS, said, decoder=decoder)
    alone = validation_scores(model, features.numpy(), CAPTIONS, said)
    assert all(text.split()[0] == word for text in texts) and texts != alone
