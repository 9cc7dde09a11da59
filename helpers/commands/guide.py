"""python -m helpers guide: a classifier gets a say in a captioner's nouns."""

from helpers.commands.options import add_data, encode_split, new_command, open_split


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, guide, "let a classifier guide a captioner's nouns")
    command.add_argument("--model", required=True, help="folder of a trained captioner")
    add_data(command)
    command.add_argument(
        "--classifier", default="efficientnet_lite0", metavar="BACKBONE",
        help="any backbone that knows ImageNet's classes",
    )  # fmt: skip


def guide(options):
    """Let a classifier of ImageNet's classes guide a captioner's nouns, from now on.

    What pictures with people look like to the classifier is learned from the training split.
    """
    from helpers.captioner import CaptioningRNN
    from helpers.pretrained import find_captioner, load_captioner, save_guide
    from helpers.pretrained.guidance import ObjectClassifier, ObjectGuide

    folder = find_captioner(options.model)
    model = load_captioner(folder).model
    if not isinstance(model, CaptioningRNN):
        raise ValueError(f"--model: {options.model} was not trained by this course")
    classifier = ObjectClassifier(options.classifier).to(options.device)
    data, log_probs = encode_split(options, classifier, open_split(options, "train"))
    new = ObjectGuide(model.vocabulary, classifier)
    new.people.learn(log_probs, data.captions)
    save_guide(folder, new.cpu())
    nouns = len(new.vocabulary) - len(model.vocabulary)
    print(f"people in {new.people.mean:.0%} of the pictures; {nouns} more nouns")
    print(f"guide in {folder}")
