# linear.py: how long each expression of the filter takes for hostile lines of n and of 10 n letters.
#
#   python3 linear.py FOLDER-OF-FILTER.D ATTACKS N
#
# The expressions are those that fail2ban makes of the filter. For each it takes the first line of
# ATTACKS that it matches, cuts it after each letter that is special, puts many times something in
# that the expression looks for, and sees to it that the line does not match in the end. It prints, of
# the line that takes longest: number of the expression, its milliseconds for n and for 10 n letters,
# where it was cut and what was put in.
import sys
import time

from fail2ban.client.filterreader import FilterReader
from fail2ban.server.failregex import Regex

folder, attacks, n = sys.argv[1], sys.argv[2], int(sys.argv[3])

reader = FilterReader("voipbl-asterisk", "test", {"mode": "from"}, basedir=folder)
reader.read()
reader.getOptions({"mode": "from"})
options = reader.getCombined()
prefix = Regex(options["prefregex"])
expressions = [Regex(line) for line in options["failregex"].split("\n") if line.strip()]

FILLERS = [
    "a", " ", "'", '"', "@", "<", ">", "1", ":", "1111:", "\\x", ",", ") - ", " (", "' (", "' - ",
    "' failed for '", "' failed for '1.2.3.4:5060' (callid: ", "' failed for '1.2.3.4:5060' - Wrong password",
    ") to extension '", "' (1.2.3.4:5060", "' rejected because extension not found in context '",
    ',RemoteAddress="', ',RemoteAddress="IPV4/UDP/1.2.3.4/5060"', "(from 1.2.3.4", "@1.2.3.4;", " for INVITE",
    "[C-1]", "x.c: ", "[] NOTICE[1] x.c: ",
]


def took(expression, text, times=1):
    best = 1e9
    for _ in range(times):
        begin = time.process_time()
        expression._regexObj.search(text)
        best = min(best, time.process_time() - begin)
    return best * 1000


def hostile(line, cut, filler, letters):
    return line[:cut] + filler * (letters // len(filler)) + line[cut:] + "\0"


def worst(number, expression, line):
    cuts = [0] + [i + 1 for i, c in enumerate(line) if c in "'\"([<@:,/ "]
    times = [(took(expression, hostile(line, cut, filler, n)), cut, filler) for cut in cuts for filler in FILLERS]
    # The clock may have been wrong about one: the worst of the five worst.
    found = (0, 0, "", "")
    for _, cut, filler in sorted(times)[-5:]:
        long = took(expression, hostile(line, cut, filler, 10 * n), 3)
        if long > found[1]:
            found = (took(expression, hostile(line, cut, filler, n), 5), long, line[:cut], filler)
    print("%d\t%.3f\t%.3f\t%s\t%s" % ((number,) + found), flush=True)


lines = []
for path in attacks.split(","):
    for line in open(path):
        line = line.rstrip("\n")
        if line.startswith("[2026-11-23 05:37:07]"):
            lines.append("[]" + line[21:])
worst(0, prefix, lines[0])
contents = []
for line in lines:
    prefix.search([(line, "", "")])
    if prefix.hasMatched():
        contents.append(prefix.getGroups()["content"])
for number, expression in enumerate(expressions, 1):
    mine = [c for c in contents if expression._regexObj.search(c)]
    if not mine:
        sys.exit("expression %d matches no line of %s" % (number, attacks))
    worst(number, expression, mine[0])
