"""Says which of some octets stand in the memory of a process: a number, and hexadecimal digits as lines of standard input."""
import json
import sys

wanted = [bytes.fromhex(line) for line in sys.stdin.read().split()]
longest = max(len(one) for one in wanted)
window = 1 << 26
found = set()
process = f"/proc/{sys.argv[1]}"
with open(f"{process}/maps") as maps, open(f"{process}/mem", "rb", buffering=0) as memory:
    for line in maps:
        places, rights = line.split()[:2]
        if not rights.startswith("rw"):
            continue
        at, end = (int(place, 16) for place in places.split("-"))
        rest = b""
        while at < end:
            memory.seek(at)
            try:
                octets = memory.read(min(window, end - at))
            except OSError:
                break
            if not octets:
                break
            at += len(octets)
            octets = rest + octets
            found.update(place for place, one in enumerate(wanted) if one in octets)
            rest = octets[-longest:]
print(json.dumps(sorted(found)))
