"""Puts a function of our own in place of one of the stand-in's, if that is still the one we know."""

import hashlib
import importlib.metadata
import inspect

PACKAGE, VERSION = "ministack", "1.5.33"


def all():
    """Mends everything, or ends the process."""
    check_version()
    # They need each other's package, and this module.
    import queues, sources, tables, upkeep

    for mended in (queues, sources, tables, upkeep):
        mended.apply()


def check_version():
    found = importlib.metadata.version(PACKAGE)
    if found != VERSION:
        raise SystemExit(f"{PACKAGE} is {found}; what mends it was written for {VERSION}")


def fingerprint(function):
    """Tells one text of a function from another."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


def replace(module, name, new, known):
    """Replaces a function of a module, whose fingerprint must be the known one. Returns the old one."""
    old = getattr(module, name, None)
    found = fingerprint(old) if callable(old) else "absent"
    if found != known:
        raise SystemExit(f"{module.__name__}.{name} is not what was mended: {found}, not {known}")
    setattr(module, name, new)
    return old
