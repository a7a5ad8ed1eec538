#!/bin/sh
# Raises the limits of the gateway's unit: open files for every socket, and time for a drain. By default, systemd allows a
# unit 524,288 files and kills it after 90 s.
set -eu
root=${ROOT:-}

units="$root/etc/systemd/system"
mkdir -p "$units/web.service.d"
cat > "$units/web.service.d/rts.conf" <<'UNIT'
[Service]
LimitNOFILE=1048576
TimeoutStopSec=300
UNIT
systemctl daemon-reload
