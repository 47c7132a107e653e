# Prints a table of what the tasks before this one measured. Each of them printed
# one line: part, measure and number, separated by tabs. $1 lists the measures.
set -eu
cat "$SWARM_INPUTS"/* | sort | awk -F '\t' -v measures="$1" '
    BEGIN { columns = split(measures, title, ",") }
    !($1 in seen) {
        seen[$1] = 1
        part[++parts] = $1
        if (length($1) > width) width = length($1)
    }
    { number[$1, $2] = $3; total[$2] += $3 }
    END {
        if (width < 5) width = 5
        name = "%-" width "s"
        printf name, ""
        for (c = 1; c <= columns; c++) printf "%14s", title[c]
        print ""
        for (p = 1; p <= parts; p++) {
            printf name, part[p]
            for (c = 1; c <= columns; c++) printf "%14d", number[part[p], title[c]]
            print ""
        }
        printf name, "total"
        for (c = 1; c <= columns; c++) printf "%14d", total[title[c]]
        print ""
    }'
