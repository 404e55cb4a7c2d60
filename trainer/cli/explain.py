"""`explain`: the page of a name or a key, with the values of a configuration."""

from collections.abc import Sequence

from trainer.cli.arguments import take_apart
from trainer.cli.subcommands import Parser
from trainer.composition.search_path import load_plugins
from trainer.core.errors import ConfigError

WIDEST = 100
MORE = (
    "Names and keys as on a run's line: explain scheduler=cyclic, explain optim.lr. Words after "
    "the first change the configuration whose values are told: explain scheduler=cosine "
    "optim.lr=0.2. Without words: all that can be explained."
)


def explain(arguments: Sequence[str]) -> None:
    """Print what a word means."""
    parser = Parser("explain", MORE)
    parser.add_argument("words", nargs="*", metavar="WORD", help="what to explain, then key=value")
    parser.add_argument("--answers", action="store_true", help="of the exercises, too")
    parser.add_argument("--config-dir", help="look up YAML in a folder of your own as well")
    options = parser.parse_intermixed_args(list(arguments))
    line = take_apart(options.words)
    if line.resume or line.repeat or line.fork or line.flags:
        raise ConfigError("explain takes key=value and group=name: leave out the other words")
    # Hydra takes a tenth of a second, which --help does without
    from trainer.explain.explanation import Explanation
    from trainer.explain.listing import everything
    from trainer.explain.topic import topic_of
    from trainer.record.console import Screen

    found = load_plugins(line.plugins, options.config_dir)
    screen = Screen(highlight=False)
    screen.width = min(screen.width, WIDEST)
    words = [w for w in options.words if not w.startswith("plugins=")]
    if words:
        topic = topic_of(words[0], found)
        made = Explanation.of(topic, words[1:], found, screen, answers=options.answers)
    # all of it first: a mistake leaves nothing half told
    for text in list(made.lines() if words else everything(found)):
        screen.print(text, no_wrap=True, overflow="ignore", crop=False)
