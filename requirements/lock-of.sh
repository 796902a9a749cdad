#!/bin/sh
# Says which lock a profile (name or file) needs: gpu if it, or one that it extends, places an engine in pool gpu; else cpu.
cd "$(dirname "$0")/.." || exit 1
profile=${1:-cpu}
depth=0
while [ -n "$profile" ] && [ "$depth" -lt 8 ]; do
    case $profile in
    */* | *.yaml | *.yml) file=$profile ;;
    *) file=cluster/profiles/$profile.yaml ;;
    esac
    [ -f "$file" ] || break # `weavergen up` says what is wrong with it
    if grep -Eq "^[^#]*pool:[[:space:]]*[\"']?gpu" "$file"; then
        echo gpu
        exit 0
    fi
    profile=$(sed -n "s/^extends:[[:space:]]*[\"']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p" "$file" | head -n 1)
    depth=$((depth + 1))
done
echo cpu
