"""Which of ImageNet's classes which nouns mean.

Class numbers are those of ILSVRC 2012 (Russakovsky et al. 2015, "ImageNet Large Scale Visual
Recognition Challenge"). A row has a noun, its plural, or "-", and its classes, or those that
are seen with it where ImageNet has no such class; words with commas between them mean the same.
"zebra=horse": where a vocabulary lacks zebras, the captioner uses the word as it uses "horse".
"""

from dataclasses import dataclass

CLASSES = 1000

THINGS = """
dog,puppy=dog dogs,puppies=dogs 151-268,273-275
cat,kitten=cat cats,kittens=cats 281-285
bird birds 7-24,80-96,99-100,127-146
duck ducks 97-98
seagull=bird seagulls=birds 146
horse horses 339,603
cow cows 345-347
sheep - 348-349
goat=sheep goats=sheep 350
pig=cow pigs=cows 341-343
elephant=horse elephants=dogs 101,385-386
bear=dog bears=dogs 294-297
panda=dog pandas=dogs 388
zebra=horse zebras=horses 340
monkey=dog monkeys=dogs 365-382
rabbit=dog rabbits=dogs 330-332
squirrel=dog squirrels=birds 335
fox=dog foxes=dogs 277-280
lion=dog lions=dogs 291
tiger=dog tigers=dogs 292
leopard=dog leopards=dogs 288-290,293
camel=horse camels=horses 354-355
turtle=animal turtles=animals 33-37
lizard=animal lizards=animals 38-48
snake=animal snakes=animals 52-68
fish - 0-4,389-397
butterfly=bird butterflies=birds 321-326
toilet=chair toilets=chairs 861,999
sink=table - 896
tub,bathtub=tub - 435,876
stove=table - 827
refrigerator=table - 760
microwave=table - 651
bed beds=chairs 564,750
couch,sofa=couch - 831
desk=table - 526
computer - 527,664,782
laptop=computer - 620,681
television=table - 548,851
piano - 579,881
guitar guitars 402,546
violin - 889
pizza=cake pizzas=cakes 963
sandwich=cake - 933-934
plate - 923
banana=fruit bananas=fruit 954
table tables 532
bus=truck - 654,779,874
train trains 466,547,705,820,829
airplane,plane=airplane - 404,895,908
truck trucks 555,569,675,717,864,867
car cars 436,468,511,609,627,656,661,751,817
motorcycle,motorbike=motorcycle motorcycles 665,670
bicycle,bike bicycles,bikes 444,671
boat boats 484,510,554,576,625,628,724,780,814,871,914
canoe=boat canoes=boats 472
tractor=truck - 866
sign signs 919
vase=bottle - 883
umbrella umbrellas 879
bench benches 703
clock=sign - 409,530,892
toy toys 850,865
rocket=plane - 657,744,812
tent tents 672
parachute - 701
keyboard=table - 508,878
bottle bottles 440,737,898,907
cup cups 504,967-968
"""
SPORTS = """
soccer - 805
football - 560
baseball - 429,981
basketball - 430
tennis - 752,852
rugby - 768
volleyball - 890
hockey - 746
golf - 574
"""
PLACES = """
kitchen - 521,534,550,651,760,827,859
bathroom - 435,648,794,804,861,876,896,999
restaurant - 762
store - 415,454,467,509,582,788,860,865
beach - 977-978
mountain - 970,980
lake - 975
cliff - 972
bridge - 821,839,888
church - 497
"""
# ImageNet has no class for people. Words for one, or for a group; words for several.
PEOPLE = {
    "thing": "man woman boy girl person child kid guy lady gentleman player baby infant toddler "
    "teenager adult male female someone bride groom mother father cowboy clown skier surfer skater "
    "skateboarder snowboarder swimmer biker cyclist bicyclist motorcyclist rider racer runner "
    "climber hiker dancer athlete wrestler worker couple crowd group family team young",
    "things": "men women boys girls people children kids guys ladies players babies toddlers "
    "teenagers adults skiers surfers skaters skateboarders snowboarders swimmers bikers cyclists "
    "bicyclists riders racers runners climbers hikers dancers cheerleaders wrestlers spectators",
}
# A caption with one of these tells that there are people to be seen.
TELLING = (
    "man men woman women boy boys girl girls person people child children kid kids guy guys lady "
    "ladies player players baby toddler skier surfer rider skateboarder snowboarder biker climber "
    "male female someone group crowd young"
)


@dataclass(frozen=True)
class Noun:
    """A noun of the tables.

    word, like: what it is, and the word that it is used like where a vocabulary lacks it
    kind: nouns of a kind may stand for one another: "thing", "things", "sport" or "place"
    classes: tuple of class numbers
    row: nouns of one row name the same
    """

    word: str
    like: str
    kind: str
    classes: tuple
    row: int


def _nouns():
    """Read the tables."""
    tables = {"thing": THINGS, "sport": SPORTS, "place": PLACES}
    rows = [(kind, line) for kind, table in tables.items() for line in table.strip().split("\n")]
    for row, (kind, line) in enumerate(rows):
        singular, plural, spans = line.split()
        spans = [span.partition("-") for span in spans.split(",")]
        classes = tuple(n for a, _, b in spans for n in range(int(a), int(b or a) + 1))
        for words, number in ((singular, kind), (plural, f"{kind}s")):
            for word in words.split(",") if words != "-" else []:
                word, _, like = word.partition("=")
                yield Noun(word, like or word, number, classes, row)


NOUNS = tuple(_nouns())


def used_like(word, known):
    """Find the word of a vocabulary that a noun is used like.

    Inputs: word: of `NOUNS`; known: words of a vocabulary
    Returns: the word itself where it is known, or another known one, or None
    """
    likes = {noun.word: noun.like for noun in NOUNS}
    while word not in known:
        if likes.get(word, word) == word:
            return None
        word = likes[word]
    return word
