"""What a model costs, as a page for whoever decides: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.core.figures import dollars, figure, span
from fairlead.documents.charts import escaped
from fairlead.documents.page import page

STYLE = """
.cost .best { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); }
.cost .amount { font-size: 30px; font-weight: 600; line-height: 1.1; }
.cost .card.first { border-top: 3px solid var(--good); padding-top: 14px; }
.cost .card dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 14px; margin: 0;
  font-size: 14px; }
.cost .card dt { color: var(--soft); } .cost .card dd { margin: 0; text-align: right; }
.cost td.why { text-align: left; white-space: normal; color: var(--soft); min-width: 220px; }
.cost tr.no td { color: var(--soft); }
.cost td:first-child { min-width: 170px; }
.cost td.wide { width: 22%; min-width: 90px; }
.cost details td, .cost details th { font-size: 13px; }
.cost .stale { border-color: var(--moved); }
.cost ul.moves { margin: 8px 0 0; padding-left: 20px; }
"""

Told = Mapping[str, Any]


def cost_page(told: Told) -> str:
    """A decision (costs/decision.py: to_json) as one page."""
    title = f"What {told['model']} costs"
    head = (
        f'<div class="eyebrow">Cost of a month · {escaped(_measured(told))}</div>\n'
        f"<h1>{escaped(title)}</h1>"
    )
    return page(title, f'<section class="cost">{head}\n{sections(told)}</section>', STYLE)


def sections(told: Told) -> str:
    """All below the title, within `.cost`; classes only, for pages with a policy of their own."""
    traffic = told["traffic"]
    parts = [
        _figures(told),
        "".join(f'<p class="soft small">Assumed: {escaped(one)}</p>' for one in traffic["assumed"]),
        _age(told["prices"]),
        _best(told),
        _every(told["offers"]),
        _moves(told),
        _lines(told["offers"]),
    ]
    return "\n".join(part for part in parts if part)


def _measured(told: Told) -> str:
    measured = told["measured"]
    return f"measured on {measured['taken']} on {measured['offer'] or measured['on']}"


def _figures(told: Told) -> str:
    traffic, goal = told["traffic"], told["goal"]
    tiles = {
        "calls a month": f"{traffic['per_month']:,.0f}",
        "calls a second in the busiest hour": figure(traffic["peak_per_s"]),
        "variance over mean in 10 s": f"{traffic['dispersion']:.3g}",
        "goal: 99 of 100 calls within": span(goal["p99_s"]),
        "oldest price of a machine": f"{told['prices']['age_days']} days",
    }
    each = "".join(f"<div><b>{escaped(value)}</b>{name}</div>" for name, value in tiles.items())
    return f'<div class="figures">{each}</div>'


def _age(prices: Told) -> str:
    if not prices["stale"]:
        return ""
    return (
        '<div class="verdict stale"><strong>These prices are older than '
        f"{prices['stale_after_days']} days</strong><p>Run <code>fairlead prices refresh</code> "
        "before you decide.</p></div>"
    )


def _best(told: Told) -> str:
    offers = [one for one in told["offers"] if one["meets"]][: len(told["cheapest"])]
    if not offers:
        return (
            '<div class="verdict moved"><strong>Nothing that was looked at reaches the goal'
            "</strong></div>"
        )
    cards = "".join(_card(one, first=not number) for number, one in enumerate(offers))
    return f'<h2>The cheapest that reach the goal</h2>\n<div class="best">{cards}</div>'


def _card(one: Told, *, first: bool) -> str:
    facts = {
        "a million calls": dollars(one["per_million"]),
        "a day without calls": dollars(one["idle_per_day"]),
        "99 of 100 within": span(one["p99_s"]),
        "between": f"{dollars(one['low'])} and {dollars(one['high'])}",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in facts.items())
    return (
        f'<div class="card{" first" if first else ""}"><h3>{escaped(one["title"])}</h3>'
        f'<div class="amount">{dollars(one["monthly"])}</div><dl>{listed}</dl>'
        f'<p class="soft small">Speed: {escaped(one["speed"])}, within {one["band"]:.0%}</p></div>'
    )


def _every(offers: Sequence[Told]) -> str:
    most = max((one["monthly"] or 0 for one in offers), default=0) or 1
    rows = "".join(_row(one, most) for one in offers)
    return (
        '<h2>Every offer that was looked at</h2>\n<div class="scroll" tabindex="0" role="region" '
        'aria-label="Every offer"><table><thead><tr><th>offer'
        "</th><th>a month</th><th></th><th>a million</th><th>p99</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(one: Told, most: float) -> str:
    why = escaped(one["why"] or "reaches the goal")
    return (
        f"<tr{'' if one['meets'] else ' class=no'}><td>{escaped(one['title'])}</td>"
        f'<td>{dollars(one["monthly"])}</td><td class="wide">{_bar(one["monthly"], most)}</td>'
        f"<td>{dollars(one['per_million'])}</td><td>{span(one['p99_s'])}</td>"
        f'<td class="why">{why}</td></tr>'
    )


def _bar(amount: float | None, most: float) -> str:
    """How it stands beside the dearest; nothing where there is no amount."""
    if amount is None:
        return ""
    part = max(1, round(100 * amount / most))
    return (
        '<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" height="8" '
        f'aria-label="{part} % of the dearest"><rect class="learnt" width="100" height="6" rx="1"/>'
        f'<rect class="now" width="{part}" height="6" rx="1"/></svg>'
    )


def _moves(told: Told) -> str:
    items = [
        f"Above {figure(one['per_s'])} calls a second, on average, {one['above']} is cheaper than "
        f"{one['below']}."
        for one in told["break_even"]
    ]
    for one in told["at_times_the_traffic"]:
        best = f"{one['cheapest']}, {dollars(one['monthly'])}" if one["cheapest"] else ""
        items.append(f"At {one['factor']:g} times the traffic: {best or 'nothing is enough'}.")
    growth = told["traffic"]["growth_per_month"]
    if growth:
        items.append(f"In a year, as it grows: {(1 + growth) ** 12:.2g} times the traffic.")
    band = told["prices"]["band"]
    items.append(f"Prices as old as these have moved by {band:.0%} or less, most of them.")
    listed = "".join(f"<li>{escaped(one)}</li>" for one in items)
    return f'<h2>What moves it</h2>\n<ul class="moves">{listed}</ul>'


def _lines(offers: Sequence[Told]) -> str:
    parts = "".join(
        f"<details><summary>{escaped(one['title'])}: {dollars(one['monthly'])}</summary>"
        f"{_bill(one['lines'])}</details>"
        for one in offers
        if one["lines"]
    )
    return f"<h2>The bills, line by line</h2>\n{parts}"


def _bill(lines: Sequence[Told]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(one['what'])}</td><td>{one['quantity']:,.6g} {escaped(one['unit'])}</td>"
        f"<td>${one['usd']:.6g}</td><td>{dollars(one['monthly'])}</td>"
        f"<td>{escaped(one['confidence'])}</td><td>{escaped(one['date'])}</td>"
        f'<td class="why">{escaped(one["source"])}</td></tr>'
        for one in lines
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Bill"><table><thead>'
        "<tr><th>what</th><th>how much</th><th>each</th>"
        "<th>a month</th><th>confidence</th><th>date</th><th>source</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
