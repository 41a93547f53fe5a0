"""Shows the facts of the health page in a terminal. Invariant: never interprets data as markup."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.health.facts import Cell, Health, Need, State

_COLOURS = {"green": "green", "grey": "dim", "amber": "yellow", "red": "bold red"}
_CELLS = {
    Cell.ON_TIME: ("●", "green"),
    Cell.LATE: ("▲", "yellow"),
    Cell.PARKED: ("■", "red"),
    Cell.MISSING: ("✕", "red"),
    Cell.PENDING: ("○", "dim"),
    Cell.BEFORE: ("·", "dim"),
}


def verdict_line(health: Health) -> Text:
    """Return the verdict as one line: shape, word, reason, time."""
    return Text.assemble(
        badge(health.state, health.word),
        f": {health.reason} (as of {health.as_of:%Y-%m-%d %H:%M:%S} UTC)",
    )


def badge(state: State, word: str) -> Text:
    """Return a state as shape and word, in its colour if the terminal has colours."""
    return Text(f"{state.shape} {word}", style=_COLOURS[state])


def show(health: Health, console: Console) -> None:
    """Print the verdict and the facts behind it."""
    console.print(verdict_line(health), soft_wrap=True)
    figures = Table(box=None, show_header=False, pad_edge=False)
    for tile in health.tiles:
        note = Text(tile.note, style="dim")
        figures.add_row(badge(tile.state, ""), tile.title, Text(tile.value, style="bold"), note)
    console.print(figures)
    for need in health.needs:
        console.print(_need(need), soft_wrap=True)
    if health.needs_more:
        console.print(f"  and {health.needs_more} more: python -m scripts.alerts list")
    for line in health.waiting:
        console.print(Text(f"  ▲ {line}", style="yellow"), soft_wrap=True)
    marts = Table("mart", "", "published", "through", "stalest source", box=None, pad_edge=False)
    for mart in health.marts:
        published = f"{mart.published_at:%F %H:%M}" if mart.published_at else "never"
        state = badge(mart.state, mart.word)
        marts.add_row(mart.name, state, published, str(mart.through or ""), mart.source or "")
    console.print(marts)
    for strip in health.on_time:
        cells = (_CELLS[cell] for cell in strip.cells)
        count = f"  {strip.on_time} of {strip.due} on time"
        if strip.as_of:
            count += f", {len(strip.as_of)} as of a later day"
        console.print(Text.assemble(f"{strip.source:<12}", *cells, count))


def _need(need: Need) -> Text:
    facts = "; ".join(f"{label}: {text}" for label, text in need.facts.items())
    return Text.assemble(
        "  ", badge(need.state, need.title), f"  {facts}" if facts else "", f"  [{need.kind}]"
    )
