"""Residual networks by short text, `resnet18:3x224x224,classes=1000`."""

from __future__ import annotations

from symbp.architectures.fields import Family, Settings, built, fields
from symbp.layers import LOSSES, Activation, BatchNorm, Conv2D, Dense, GlobalAverage, Layer, MaxPool2D, ResNetBlock
from symbp.program import Program
from symbp.sequence import Sequential

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}  # in each stage: He et al. 2016, table 1
STEMS = ("imagenet", "cifar")
SMALL = 64  # pixels: below that the stem for ImageNet would leave almost nothing


def resnet(text: str) -> Program:
    """A residual network of basic blocks from its text, see FAMILIES."""
    name = text.partition(":")[0]
    first, *rest = fields(text, name)
    shape = first.sizes("x", "channels x height x width as in 3x224x224", (3,))
    given = Settings(rest, ("classes", "width", "stem", "loss"))
    classes, width = given.integer("classes", 1000), given.integer("width", 64)
    loss = given.word("loss", LOSSES, "cross_entropy")
    layers = stem(given.word("stem", STEMS, STEMS[min(shape[1:]) < SMALL]), width)
    for stage, blocks in enumerate(BLOCKS[name]):
        layers += [ResNetBlock(width << stage, 2 if stage and not k else 1) for k in range(blocks)]
    layers += [GlobalAverage(), Dense(classes)]
    return built(text, lambda: Sequential(*layers, shape=shape, loss=loss, title=text))


def stem(kind: str, width: int) -> list[Layer]:
    """What stands in front of the first block."""
    if kind == "cifar":
        return [Conv2D(width, 3, padding=1, bias=False), BatchNorm(), Activation("relu")]
    first = Conv2D(width, 7, stride=2, padding=3, bias=False)
    return [first, BatchNorm(), Activation("relu"), MaxPool2D(3, 2, 1)]


def _family(name: str, parameters: str) -> Family:
    blocks = "-".join(map(str, BLOCKS[name]))
    return Family(
        name=name,
        about=f"a residual network of {blocks} basic blocks",
        usage=f"{name}:SHAPE[,OPTION=VALUE,...]",
        grammar="""\
SHAPE    channels x height x width: 3x224x224
classes  how many the last dense layer tells apart (1000)
width    channels of the first stage, doubled from stage to stage (64)
stem     imagenet (7x7 convolution of stride 2, max-pooling) or cifar (3x3 convolution of stride 1); left out, it is
         imagenet from 64 pixels up and cifar below
loss     (cross_entropy)""",
        examples={
            f"{name}:3x224x224": f"for ImageNet, {parameters} parameters",
            f"{name}:3x32x32,classes=10": "for CIFAR-10",
            f"{name}:1x8x8,classes=10,width=4": "a narrow one, for 8x8 digits",
        },
        build=resnet,
    )


FAMILIES = (_family("resnet18", "11,689,512"), _family("resnet34", "21,797,672"))
