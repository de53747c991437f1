#!/usr/bin/env python3
"""What a command shows in a terminal, as an SVG: how the pictures of docs/images that show one were made.

  tests/support/terminal_picture.py OUT.svg [--columns 110] -- COMMAND...

    weft replay tests/e2e/shop/recording.weft.zst --db /tmp/shop.db
    tests/support/terminal_picture.py docs/images/terminal.svg -- weft trace 97f7 --db /tmp/shop.db
"""
import argparse
import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import termios

CELL, LINE, MARGIN = 7.8, 17, 14
COLORS = {31: "#f07178", 32: "#8fcf8f", 33: "#e6c07b", 34: "#82aaff", 35: "#c792ea", 36: "#7fdbca", 90: "#8a94a6"}
PLAIN, PAPER = "#d6dbe5", "#1b1f2a"


def run(command, columns):
    """What it writes to a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the last one has closed it
            break
        if not part:
            break
        said += part
    process.wait()
    return said.decode().replace("\r\n", "\n").rstrip("\n")


def pieces(line, style):
    """[(text, attributes of its tspan)], and the style behind it."""
    out = []
    for text, codes in re.findall(r"([^\x1b]*)(?:\x1b\[([0-9;]*)m)?", line):
        if text:
            color = COLORS.get(style["color"], PLAIN)
            weight = ' font-weight="bold"' if style["bold"] else ""
            out.append((text, f'fill="{color}"{weight}{" opacity=" + chr(34) + "0.6" + chr(34) if style["dim"] else ""}'))
        for code in (int(c or 0) for c in codes.split(";")) if codes is not None and (codes or not text) else ():
            if code == 0:
                style = {"color": None, "bold": False, "dim": False}
            elif code in (1, 2):
                style = {**style, "bold" if code == 1 else "dim": True}
            elif code in COLORS or code == 39:
                style = {**style, "color": code}
    return out, style


def picture(command, said, columns):
    lines = ["\x1b[1m$ " + " ".join(command) + "\x1b[0m"]
    for line in said.split("\n"):  # plain ones are wrapped as a terminal does
        wraps = "\x1b" not in line and len(line) > columns
        lines += [line[i:i + columns] for i in range(0, len(line), columns)] if wraps else [line]
    width, height = columns * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-size="13" '
           'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
           f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>']
    style = {"color": None, "bold": False, "dim": False}
    for number, line in enumerate(lines):
        column, y = 0, MARGIN + LINE * (number + 0.75)
        parts, style = pieces(line, style)
        for text, attributes in parts:
            # Its width is said, so that bars and columns meet in any font.
            out.append(f'<text x="{MARGIN + column * CELL:.1f}" y="{y:.1f}" textLength="{len(text) * CELL:.1f}" '
                       f'xml:space="preserve" {attributes}>{html.escape(text)}</text>')
            column += len(text)
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out")
    parser.add_argument("--columns", type=int, default=110)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    said = run(options.command, options.columns)
    shown = [os.path.basename(options.command[0]), *options.command[1:]]
    if "--db" in shown:  # where the example lies is of no interest
        at = shown.index("--db")
        del shown[at:at + 2]
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(picture(shown, said, options.columns))


main()
