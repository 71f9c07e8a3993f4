"""Lines over time as a picture (SVG) that any browser shows, for figures that a table cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 220, 64, 220, 36, 28
COLORS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f", "#475569", "#a16207")


@dataclass(frozen=True)
class Line:
    """One value at each instant of its panel."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis; `seconds` are the instants."""

    title: str
    seconds: Sequence[float]
    lines: Sequence[Line]


def write_plot(path: Path, panels: Sequence[Panel]) -> None:
    """All panels, one below the other."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * len(panels)}">',
        "<style>text { font: 12px system-ui, sans-serif; }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT * len(panels)}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate(0 {number * HEIGHT})">{_panel(panel)}</g>')
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _panel(panel: Panel) -> str:
    highest = max((value for line in panel.lines for value in line.values), default=0) or 1
    end = max(panel.seconds, default=0) or 1
    floor = HEIGHT - BOTTOM
    parts = [f'<text x="{LEFT}" y="20" font-weight="600">{escape(panel.title)}</text>']
    for share in (0, 0.5, 1):
        y = floor - share * (floor - TOP)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{highest * share:.0f}</text>')
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{end * share / 60:.1f} min</text>')
    for number, line in enumerate(panel.lines):
        color = COLORS[number % len(COLORS)]
        points = " ".join(
            f"{LEFT + second / end * (WIDTH - LEFT - RIGHT):.1f},{floor - value / highest * (floor - TOP):.1f}"
            for second, value in zip(panel.seconds, line.values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        y = TOP + 8 + number * 16
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 8}" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 32}" y="{y + 1}">{escape(line.name)}</text>')
    return "".join(parts)
