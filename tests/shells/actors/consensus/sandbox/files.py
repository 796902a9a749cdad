"""What hostile code does to the file system."""

from tests.shells.actors.consensus.sandbox.attempts import ABSENT, DENIED, FILES, case, number, raised, raw, value

CASES = [
    case(FILES, "writing to /tmp", "return open('/tmp/x', 'w').write('x')", DENIED, "landlock", number(1)),
    case(
        FILES,
        "writing to the root",
        "return open('/x', 'w').write('x')",
        raised("OSError"),
        "remount landlock",
        number(1),
    ),
    case(FILES, "writing to the library", "return os.open(os.__file__, os.O_RDWR)", raised("OSError")),
    case(FILES, "making a folder", "os.mkdir('/tmp/x')", DENIED, "filter:mkdir landlock", value(None)),
    case(FILES, "deleting", "os.unlink('/tmp/x')", DENIED, "filter:unlink landlock", ABSENT),
    case(FILES, "deleting a folder", "os.rmdir('/tmp/x')", DENIED, "filter:rmdir landlock", ABSENT),
    case(FILES, "symbolic link", "os.symlink('/', '/tmp/x')", DENIED, "filter:symlink landlock", value(None)),
    case(FILES, "hard link", "os.link('/dev/null', '/tmp/x')", DENIED, "filter:link landlock"),
    case(FILES, "renaming", "os.rename('/tmp/x', '/tmp/y')", DENIED, "filter:rename landlock", ABSENT),
    case(FILES, "changing a mode", "os.chmod('/tmp', 0o777)", DENIED, "filter:chmod", value(None)),
    case(FILES, "changing an owner", "os.chown('/tmp', 1, 1)", DENIED, "filter:chown", raised("OSError")),
    case(FILES, "cutting a file", "os.truncate('/tmp/x', 0)", DENIED, "filter:truncate landlock", ABSENT),
    case(FILES, "changing times", "os.utime('/tmp')", DENIED, "filter:utimensat", value(None)),
    case(FILES, "leaving the folder", "os.chdir('/tmp')", DENIED, "filter:chdir", value(None)),
    case(FILES, "file in memory", "return os.memfd_create('x') > 0", DENIED, "filter:memfd_create", value(True)),
    case(FILES, "memory of the machine", "return os.open('/dev/mem', os.O_RDONLY)", ABSENT),
    raw(FILES, "mount", 0, 0, 0, 0, 0, lift="filter:mount capabilities"),
    raw(FILES, "umount2", 0, 0, lift="filter:umount2 capabilities"),
    raw(FILES, "pivot_root", 0, 0, lift="filter:pivot_root capabilities"),
    raw(FILES, "chroot", 0),
    raw(FILES, "setxattr", 0, 0, 0, 0, 0),
    raw(FILES, "inotify_init1", 0),
]
