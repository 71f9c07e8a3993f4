"""Writes one-page PDF files with text, lines and boxes: as much of the format as the portal's letters need.

Source: ISO 32000-1, sections 7.5 (file structure), 8 (graphics) and 9.4 (text).
"""

from dataclasses import dataclass, field

PAGE_WIDTH, PAGE_HEIGHT = 612, 792  # US Letter, in points; the origin is the lower left corner

Color = tuple[float, float, float]


@dataclass
class Page:
    """Collects drawing operators; `write` turns them into the bytes of a file."""

    operators: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, *, size: float, color: Color, bold: bool = False) -> None:
        """Write one line with its baseline at `y`. Characters outside Windows-1252 become `?`."""
        font = "F2" if bold else "F1"
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.operators.append(f"{_rgb(color)} rg BT /{font} {size} Tf {x} {y} Td ({escaped}) Tj ET")

    def box(self, x: float, y: float, width: float, height: float, *, color: Color) -> None:
        self.operators.append(f"{_rgb(color)} rg {x} {y} {width} {height} re f")

    def line(self, x: float, y: float, width: float, *, color: Color) -> None:
        self.operators.append(f"{_rgb(color)} RG 0.6 w {x} {y} m {x + width} {y} l S")

    def write(self, *, title: str) -> bytes:
        """The finished file. The same drawing gives the same bytes."""
        content = "\n".join(self.operators).encode("cp1252", "replace")
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}] /Contents 4 0 R "
            "/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
            # As UTF-16 in hexadecimal: a title may hold any character and needs no escaping.
            b"<< /Title <FEFF%s> >>" % title.encode("utf-16-be").hex().upper().encode(),
        ]
        return _file(objects)


def _rgb(color: Color) -> str:
    return " ".join(f"{part:.3f}" for part in color)


def _file(objects: list[bytes]) -> bytes:
    """Number the objects from 1, and write them with the cross-reference table that finds them."""
    written = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table_offset = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        written += b"%010d 00000 n \n" % offset
    written += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(objects) + 1, len(objects))
    written += b"startxref\n%d\n%%%%EOF\n" % table_offset
    return bytes(written)
