#!/bin/sh
# Stands in for the HAProxy binary that Ray Serve starts (RAY_SERVE_HAPROXY_BINARY_PATH): Serve's template binds metrics
# and statistics to every interface and opens the admin socket to everybody; both are narrowed before HAProxy reads them.
config=
previous=
for argument in "$@"; do
    [ "$previous" = -f ] && config=$argument
    previous=$argument
done
if [ -n "$config" ]; then
    sed -i -e 's/^\( *bind \):\([0-9]\)/\1127.0.0.1:\2/' -e 's/^\( *bind \)\*:/\1127.0.0.1:/' \
        -e 's/mode 666 level admin/mode 600 level admin/' "$config" || exit 1
fi
exec "$WEAVERGEN_HAPROXY" "$@"
