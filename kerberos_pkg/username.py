"""The Kerberos user name that TI-ONE reads from `<emr_id>/username.txt`.

The platform passes the file's content to kinit through a shell, so only names that mean nothing to
a shell, and nothing to kinit but a name, are let through.
"""

import re
from typing import List

from data_pipeline import keytab

# What TI-ONE uses where the file is missing or empty. Source: the guide, "代码包规范".
DEFAULT = "hadoop"

# What editors and Windows leave around a name.
_MARGIN = "\ufeff \t\r\n"

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_NAME = re.compile(r"(?P<name>%s(?:/%s)?)(?:@(?P<realm>%s))?" % (_PART, _PART, _PART))


class UsernameError(ValueError):
    """The user name cannot be used, or the keytab does not hold it."""


def resolve(text: str, entries: List[keytab.Entry]) -> str:
    """Returns the name to write into username.txt, without a realm: "hadoop/172.0.1.5".

    Args:
      text: What the user gave; BOM, CR and blanks around it are dropped, and nothing left means
        "hadoop". "name@REALM" is taken where the keytab holds that very principal.
      entries: The keytab that goes with it.

    Raises:
      UsernameError: not `name` or `name/host` of letters, digits, `_`, `.` and `-`, or the keytab
        has no key for it, or weak ones only; the text names the principals that it has.
    """
    text = text.strip(_MARGIN) or DEFAULT
    match = _NAME.fullmatch(text)
    if not match:
        raise UsernameError(
            "username %s: expected name or name/host of letters, digits, '_', '.' and '-'"
            % ascii(text)
        )
    # Without a realm any realm will do: the platform's krb5.conf, not seen here, names the default.
    own = [e for e in entries if text in (e.principal, e.principal.rpartition("@")[0])]
    held = ", ".join(keytab.principals(entries))
    if not own:
        raise UsernameError("username %s: the keytab holds only %s" % (text, held))
    if all(entry.is_weak for entry in own):
        weak = ", ".join(sorted({entry.enctype for entry in own}))
        raise UsernameError(
            "username %s: expected a key of a type that KDCs still take, such as "
            "aes256-cts-hmac-sha1-96, got only %s; the keytab holds %s" % (text, weak, held)
        )
    return match.group("name")
