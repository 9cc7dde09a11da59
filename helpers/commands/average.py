"""python -m helpers average: between a captioner and what self-critical training made of it.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": the mean of the weights keeps what
either is good at, here people's grammar and the words that score.
"""

from helpers.commands.options import new_command


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, average, "average a captioner and one trained from it")
    command.add_argument("start", metavar="START", help="the captioner that training started from")
    command.add_argument("trained", metavar="TRAINED", help="what `train --samples` made of it")
    command.add_argument("--share", type=float, default=0.5, help="of TRAINED, in [0, 1]")
    command.add_argument("--temperature", type=float, default=0.5, help="as `train` had it")
    command.add_argument("--out", metavar="DIR", required=True, help="where to")


def average(options):
    """Average the weights of a captioner and of one that `train --samples` made of it."""
    from helpers.pretrained import load_captioner, save_captioner

    if not 0 <= options.share <= 1:
        raise ValueError(f"--share must be in [0, 1], not {options.share}")
    start, trained = (
        load_captioner(name, options.device) for name in (options.start, options.trained)
    )
    for one in ("vocabulary", "sizes"):
        if getattr(start.model, one, None) != getattr(trained.model, one, ""):
            raise ValueError(f"{options.trained}: has another {one} than {options.start}")
    if start.encoder.fingerprint() != trained.encoder.fingerprint():
        raise ValueError(f"{options.trained}: has another encoder than {options.start}")
    start.model.sharpen(options.temperature)
    weights = trained.model.state_dict()
    for name, weight in start.model.state_dict().items():
        weights[name] = weight.lerp(weights[name], options.share)
    trained.model.load_state_dict(weights)
    save_captioner(options.out, trained.model, trained.encoder)
    print(f"model in {options.out}")
