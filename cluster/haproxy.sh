#!/bin/sh
# Stands in for the HAProxy binary that Ray Serve starts (RAY_SERVE_HAPROXY_BINARY_PATH). Serve's template leaves open what
# must not be; this narrows the file before HAProxy reads it:
# - metrics and statistics bind every interface: loopback only. The gateway's own address is taken from
#   WEAVERGEN_HTTP_HOST, so that the replicas behind it can stay on loopback.
# - the admin socket is open to everybody: to us only.
# - /-/routes and /-/healthz tell strangers what is deployed, also when spelt with %XX: a bare 404. Nothing of Ray's asks
#   them here: HAProxy checks the replicas on their own ports, Serve watches HAProxy through the admin socket.
# - x-request-timeout-seconds and x-request-disconnect-disabled switch off Serve's watch over a request's time and over its
#   client. No client may do that. On the hot path, where the watch costs three tasks a request, the gateway keeps both itself
#   (deadlines; `wire.Watch`): there it is off.
# - a request gets its id here: made in the replica it costs as much as reading the question. One that a client sent stays.
# - a request that never ends holds its connection for an hour: `timeout http-request`, which Serve has no setting for.
# - `option splice-request`: with it HAProxy 2.8 does not see that a client left whose body came behind its head in a packet of
#   its own, and spins on that connection until the answer comes: gone. Bodies are small.
# - nothing stands between a flood and the replicas: their event loops fill with requests that nobody waits for any more, they
#   are taken for dead, and Serve's proxy, which comes next, with them. Chat completions beyond what the replicas take
#   (WEAVERGEN_CHAT_BOUND each) are refused here, with 429 `overloaded` in JSON; everything else passes.
# - failures of HAProxy's own, and the time before anything is deployed, are told as every other error is: 503 `not_ready`
#   in JSON, which clients may retry.
config=
previous=
for argument in "$@"; do
    [ "$previous" = -f ] && config=$argument
    previous=$argument
done

narrow() {
    case ${WEAVERGEN_HTTP_HOST:-} in
        '') front='&' ;;
        *:*) front="\\1[$WEAVERGEN_HTTP_HOST]:\\2 v4v6" ;;
        *) front="\\1$WEAVERGEN_HTTP_HOST:\\2" ;;
    esac
    sed -i \
        -e '/^frontend prometheus$/,/^ *bind /s/^\( *bind \):/\1127.0.0.1:/' \
        -e '/^listen stats$/,/^ *bind /s/^\( *bind \)\*:/\1127.0.0.1:/' \
        -e '/^frontend http_frontend$/,/^ *bind /{
            s/^\( *bind \).*:\([0-9]*\)$/'"$front"'/
            /^ *bind /a\
    http-request return status 404 if { path,url_dec -m beg /-/ }\
    http-request del-header x-request-timeout-seconds\
    http-request del-header x-request-disconnect-disabled\
    http-request set-header x-request-id %[uuid] unless { req.hdr(x-request-id) -m found }\
    http-request set-header x-request-timeout-seconds 0 if { path /v1/chat/completions }\
    http-request set-header x-request-disconnect-disabled ?1 if { path /v1/chat/completions }
        }' \
        -e "/^defaults\$/a\\
    timeout http-request ${WEAVERGEN_HTTP_REQUEST_TIMEOUT_S:-10}s" \
        -e '/^backend default_backend$/,/return/s/http-request return status 404 .*/http-request deny deny_status 503/' \
        -e 's/mode 666 level admin/mode 600 level admin/' \
        -e '/^ *option splice-request$/d' "$1"
}

not_ready() {
    body='{"error":{"message":"the gateway cannot answer yet; try again shortly","type":"server_error","code":"not_ready","param":null}}'
    printf 'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: %d\r\n\r\n%s' \
        "${#body}" "$body"
}

overloaded() {
    printf '{"error":{"message":"too many requests are under way; try again shortly","type":"rate_limit_error","code":"overloaded","param":null}}'
}

# The number of replicas is HAProxy's own, at every request; without one there is nothing to overload.
door() {
    grep -q '^backend http-weavergen$' "$1" || return 0
    overloaded >"$1.overloaded" || return 1
    full="{ nbsrv(http-weavergen) gt 0 } { be_conn(http-weavergen),div(txn.weavergen_replicas) ge $2 }"
    refuse="http-request return status 429 content-type application/json hdr retry-after 1 file $1.overloaded"
    sed -i -e '/^frontend http_frontend$/,/^ *bind /{
        /^ *bind /a\
    http-request set-var(txn.weavergen_replicas) nbsrv(http-weavergen)\
    '"$refuse if { path /v1/chat/completions } $full"'
    }' "$1"
}

if [ -n "$config" ]; then
    narrow "$config" || exit 1
    if [ -n "${WEAVERGEN_CHAT_BOUND:-}" ]; then door "$config" "$WEAVERGEN_CHAT_BOUND" || exit 1; fi
    for page in $(sed -n 's/^ *errorfile 50[234] //p' "$config" | sort -u); do
        not_ready >"$page" || exit 1
    done
fi
exec "$WEAVERGEN_HAPROXY" "$@"
