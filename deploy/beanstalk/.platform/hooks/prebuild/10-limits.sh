#!/bin/sh
# Raises the limits of the gateway's unit: open files for every socket, and time for a drain. By default, systemd allows a
# unit 1,024 files and kills it after 90 s.
set -eu
root=${ROOT:-}

units="$root/etc/systemd/system"
mkdir -p "$units/web.service.d" "$root/etc/tmpfiles.d"
cat > "$units/web.service.d/rts.conf" <<'UNIT'
[Service]
LimitNOFILE=1048576
TimeoutStopSec=300
UNIT
# Creates the directory of drain-watch's marker that the node is leaving; a reboot clears both.
echo 'd /run/rts 0755 webapp webapp -' > "$root/etc/tmpfiles.d/rts.conf"
systemd-tmpfiles --create "$root/etc/tmpfiles.d/rts.conf"
systemctl daemon-reload
