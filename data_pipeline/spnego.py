"""Kerberos for HTTP (SPNEGO), by the MIT library of the machine.

Called through ctypes: the library has no compiled wheel for Python 3.7 (docs/adr/0018). Its own
rules hold: KRB5_CONFIG, KRB5CCNAME for the tickets, KRB5_CLIENT_KTNAME for a keytab that makes them
anew. Source: RFC 2744, GSS-API: C bindings; RFC 4559, SPNEGO-based Kerberos in HTTP.
"""

import base64
import ctypes
import functools
import os
import uuid
from typing import Any, List, Optional

from data_pipeline import keytab as keytab_lib

_LIBRARY = "libgssapi_krb5.so.2"

_UINT32 = ctypes.c_uint32
_INDEFINITE = 0xFFFFFFFF
_INITIATE = 1
_MUTUAL_FLAG = 2

# The upper half of a major status; its low bits are no errors. Source: RFC 2744, 3.9.1.
_ERRORS = 0xFFFF0000


class KerberosError(Exception):
    """There is no ticket to log in with; the text says why in one line."""


class _Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]


class _Oid(ctypes.Structure):
    _fields_ = [("length", _UINT32), ("elements", ctypes.c_void_p)]


class _OidSet(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("elements", ctypes.POINTER(_Oid))]


class _NamedBytes:
    """Keeps the bytes that a structure points to."""

    def __init__(self, structure: type, data: bytes) -> None:
        self._data = ctypes.create_string_buffer(data, len(data))
        self.structure = structure(len(data), ctypes.cast(self._data, ctypes.c_void_p))


# Source: RFC 4178; RFC 2744, 4; RFC 1964, 2.1.1.
_SPNEGO = _NamedBytes(_Oid, b"\x2b\x06\x01\x05\x05\x02")
_HOST_BASED = _NamedBytes(_Oid, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04")
_PRINCIPAL = _NamedBytes(_Oid, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01")
_KERBEROS = _NamedBytes(_Oid, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
_KERBEROS_ALONE = _OidSet(1, ctypes.pointer(_KERBEROS.structure))


def log_in(keytab: str, principal: str) -> None:
    """Lets this process, and those that it starts, log in with a keytab alone.

    Tickets lie in the memory of each process, and are made anew before they expire.

    Args:
      keytab: Path.
      principal: With or without the realm; empty for the keytab's first.

    Raises:
      KerberosError: The keytab does not hold it, or the KDC gives no ticket.
    """
    principal = _held(keytab, principal)
    os.environ["KRB5_CLIENT_KTNAME"] = "FILE:" + os.path.abspath(keytab)
    os.environ["KRB5CCNAME"] = "MEMORY:" + uuid.uuid4().hex
    try:
        _acquire(_library(), principal)
    except KerberosError as e:
        raise KerberosError("keytab %s, %s: %s" % (keytab, principal, e)) from e


def token(host: str) -> str:
    """Returns what stands after `Authorization: Negotiate` for the web server of a host.

    Raises:
      KerberosError: There is no ticket, none can be had for that server, or no library.
    """
    library = _library()
    try:
        _acquire(library, None)
    except KerberosError as e:
        raise KerberosError("%s: run kinit, or give a keytab" % e) from e
    name = _import(library, b"HTTP@" + host.encode("idna"), _HOST_BASED)
    minor, context, output = _UINT32(), ctypes.c_void_p(), _Buffer()
    try:
        major = library.gss_init_sec_context(
            ctypes.byref(minor),
            None,
            ctypes.byref(context),
            name,
            ctypes.byref(_SPNEGO.structure),
            _UINT32(_MUTUAL_FLAG),
            _UINT32(0),
            None,
            None,
            None,
            ctypes.byref(output),
            None,
            None,
        )
        _check(library, major, minor)
        return base64.b64encode(ctypes.string_at(output.value, output.length)).decode("ascii")
    finally:
        library.gss_release_buffer(ctypes.byref(minor), ctypes.byref(output))
        library.gss_delete_sec_context(ctypes.byref(minor), ctypes.byref(context), None)
        library.gss_release_name(ctypes.byref(minor), ctypes.byref(name))


def _held(keytab: str, principal: str) -> str:
    """Returns the principal as the keytab has it.

    Of a keytab that does not, the library would only say that it found no ticket.
    """
    try:
        with open(keytab, "rb") as file:
            held = keytab_lib.principals(keytab_lib.parse(file.read()))
    except OSError as e:
        raise KerberosError("keytab %s: %s" % (keytab, e.strerror)) from e
    except keytab_lib.KeytabError as e:
        raise KerberosError("keytab %s: %s" % (keytab, e)) from e
    if not principal:
        return held[0]
    for name in held:
        if principal in (name, name.rpartition("@")[0]):
            return name
    raise KerberosError("keytab %s: holds %s, not %s" % (keytab, ", ".join(held), principal))


def _acquire(library: Any, principal: Optional[str]) -> None:
    """Makes sure that there is a ticket: of the principal, or of whom the environment says.

    Of Kerberos alone: SPNEGO itself does not say why it has none.
    """
    minor, credentials, lifetime = _UINT32(), ctypes.c_void_p(), _UINT32()
    name = _import(library, principal.encode("utf-8"), _PRINCIPAL) if principal else None
    try:
        major = library.gss_acquire_cred(
            ctypes.byref(minor),
            name,
            _UINT32(_INDEFINITE),
            ctypes.byref(_KERBEROS_ALONE),
            ctypes.c_int(_INITIATE),
            ctypes.byref(credentials),
            None,
            None,
        )
        _check(library, major, minor)
        # It looks for the tickets only when somebody asks how long they last.
        major = library.gss_inquire_cred(
            ctypes.byref(minor), credentials, None, ctypes.byref(lifetime), None, None
        )
        _check(library, major, minor)
    finally:
        library.gss_release_cred(ctypes.byref(minor), ctypes.byref(credentials))
        if name:
            library.gss_release_name(ctypes.byref(minor), ctypes.byref(name))


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as e:
        raise KerberosError(
            "Kerberos needs %s (Debian: apt-get install libgssapi-krb5-2): %s" % (_LIBRARY, e)
        ) from e
    for function in ("acquire_cred", "display_status", "import_name", "init_sec_context"):
        getattr(library, "gss_" + function).restype = _UINT32
    library.gss_inquire_cred.restype = _UINT32
    return library


def _import(library: Any, text: bytes, kind: _NamedBytes) -> ctypes.c_void_p:
    minor, name, buffer = _UINT32(), ctypes.c_void_p(), _NamedBytes(_Buffer, text)
    major = library.gss_import_name(
        ctypes.byref(minor),
        ctypes.byref(buffer.structure),
        ctypes.byref(kind.structure),
        ctypes.byref(name),
    )
    _check(library, major, minor)
    return name


def _check(library: Any, major: int, minor: ctypes.c_uint32) -> None:
    if major & _ERRORS:
        texts = _status(library, minor.value, kind=2) or _status(library, major, kind=1)
        raise KerberosError("; ".join(texts))


def _status(library: Any, code: int, kind: int) -> List[str]:
    """Returns the texts of a status; kind 1 are major codes, 2 the mechanism's."""
    texts: List[str] = []
    more = _UINT32(0)
    while code:
        minor, buffer = _UINT32(), _Buffer()
        failed = library.gss_display_status(
            ctypes.byref(minor),
            _UINT32(code),
            ctypes.c_int(kind),
            None,
            ctypes.byref(more),
            ctypes.byref(buffer),
        )
        if failed & _ERRORS:
            break
        texts.append(ctypes.string_at(buffer.value, buffer.length).decode("utf-8", "replace"))
        library.gss_release_buffer(ctypes.byref(minor), ctypes.byref(buffer))
        if not more.value:
            break
    return texts
