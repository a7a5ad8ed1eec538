#!/bin/sh
# What the units of the gateway and of drain-watch may have: files for every socket, and time for a drain. Units of systemd
# start with 1,024 files and are killed after 90 s.
set -eu
root=${ROOT:-}

units="$root/etc/systemd/system"
mkdir -p "$units/web.service.d" "$root/etc/tmpfiles.d"
cat > "$units/web.service.d/rts.conf" <<'UNIT'
[Service]
LimitNOFILE=1048576
TimeoutStopSec=240
UNIT
# Where drain-watch says that the node is leaving; gone with a restart of the machine, as is what it says.
echo 'd /run/rts 0755 webapp webapp -' > "$root/etc/tmpfiles.d/rts.conf"
systemd-tmpfiles --create "$root/etc/tmpfiles.d/rts.conf"
systemctl daemon-reload
