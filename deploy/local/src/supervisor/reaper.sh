#!/bin/sh
# Kills what is left of a run when standard input ends, which it does with the process at its other end.
#   reaper.sh DIRECTORY
# A process belongs to the run if its group is recorded in DIRECTORY/groups and it works below DIRECTORY;
# either alone could be a coincidence.
run=$1
cat >/dev/null

ended=1
while [ "$ended" = 1 ]; do
    ended=0
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        pid=${line%% *}
        # After the name, which may hold any characters: state, parent, group.
        # shellcheck disable=SC2086
        set -- ${line##*) }
        [ "$1" != Z ] && [ -e "$run/groups/$3" ] || continue
        case $(readlink "/proc/$pid/cwd") in
        "$run" | "$run"/*) kill -KILL "$pid" 2>/dev/null && ended=1 ;;
        esac
    done
done
