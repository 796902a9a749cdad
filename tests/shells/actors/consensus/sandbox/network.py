"""What hostile code does to reach others."""

from tests.shells.actors.consensus.sandbox.attempts import DENIED, NETWORK, PORT, case, raised, raw, text, value

CALL_HOME = f"""
s = socket.socket()
s.settimeout(0.2)
s.connect(("127.0.0.1", {PORT}))
return s.recv(5)
"""

CASES = [
    case(
        NETWORK,
        "calling out by TCP",
        CALL_HOME,
        DENIED,
        "filter:socket,connect,getsockopt landlock network",
        value(["b", b"hello".hex()]),
    ),
    case(
        NETWORK,
        "UDP",
        "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno() > 0",
        DENIED,
        "filter:socket",
        value(True),
    ),
    case(NETWORK, "IPv6", "return socket.socket(socket.AF_INET6).fileno() > 0", DENIED, "filter:socket"),
    case(
        NETWORK,
        "Unix socket",
        "return socket.socket(socket.AF_UNIX).fileno() > 0",
        DENIED,
        "filter:socket",
        value(True),
    ),
    case(NETWORK, "raw packets", "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno()", DENIED),
    case(
        NETWORK,
        "netlink",
        "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno() > 0",
        DENIED,
        "filter:socket",
        value(True),
    ),
    case(
        NETWORK, "virtual machine socket", "return socket.socket(socket.AF_VSOCK).fileno() > 0", DENIED, "filter:socket"
    ),
    case(
        NETWORK,
        "kernel cipher socket",
        "return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).fileno() > 0",
        DENIED,
        "filter:socket",
    ),
    case(
        NETWORK,
        "datagram pair",
        "return socket.socketpair(type=socket.SOCK_DGRAM)[0].fileno() > 0",
        DENIED,
        "filter:socketpair",
        value(True),
    ),
    case(
        NETWORK,
        "listening",
        """
            s = socket.socket()
            s.bind(('127.0.0.1', 0))
            return 'bound'
            """,
        DENIED,
        "filter:socket,bind,setsockopt landlock",
        text("bound"),
    ),
    case(NETWORK, "name resolution", "return socket.getaddrinfo('localhost.invalid', 80)", raised("gaierror")),
    case(
        NETWORK,
        "web",
        """
            import urllib.request
            urllib.request.urlopen('http://127.0.0.1:1', timeout=0.1)
            """,
        raised("URLError", "ImportError"),
    ),
    raw(NETWORK, "io_uring_setup", 1, 0),
    raw(NETWORK, "connect", 0, 0, 0),
    raw(NETWORK, "sendmsg", 0, 0, 0),
]
