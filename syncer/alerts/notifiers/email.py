"""E-mail by SMTP, plain text only."""

from __future__ import annotations

import re
import smtplib
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from syncer.alerts.message import Message, NotifyError
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Endpoint, Surroundings
from syncer.alerts.notifiers.smtp import MailServer
from syncer.alerts.notifiers.text import body_lines, title
from syncer.alerts.notifiers.webhook import alert_name
from syncer.net.wire import chain, why_unsent

_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_REMEMBERED = 100
_Replies = dict[str, tuple[int, bytes]]


class Email:
    """A list of mailboxes behind one mail server."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        tls = "on" if address.secure else address.options.get("tls", "starttls")
        if tls not in ("starttls", "on", "none"):
            raise ValueError("has a tls= that is not one of starttls, on, none")
        if tls == "none" and address.user:
            raise ValueError("would send its password without TLS")
        if not f"{address.user}{address.password}".isascii():
            raise ValueError("has a user or password that is not ASCII, which SMTP does not carry")
        port = address.port or {"on": 465, "starttls": 587, "none": 25}[tls]
        self._server = MailServer(address.host, port, tls, address.user, address.password)
        self._to = _mailboxes("to", address.options.get("to", ""))
        (self._from,) = _mailboxes("from", address.options.get("from", "") or address.user)[:1]
        self._around = around
        said = (address.password, f"\0{address.user}\0{address.password}")
        secrets = (*said, *(b64encode(each.encode()).decode() for each in said if address.password))
        self._endpoint = Endpoint(f"Mail server {address.host}", "", around, secrets)
        self._accepted: dict[str, set[str]] = {}

    def send(self, message: Message) -> None:
        """Hand one mail to the server for all recipients; raises NotifyError if it does not take it for each.

        A recipient for whom it was taken is not sent the same message again while this object lives.
        """
        had = self._accepted.get(message.key, set())
        to = [each for each in self._to if each not in had]
        try:
            with self._server.conversation(self._around) as smtp:
                refused = smtp.sendmail(self._from, to, self._mail(message).as_bytes(policy=SMTP))
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._failure(error) from None
        if not refused:
            self._accepted.pop(message.key, None)
            return
        self._accepted[message.key] = had | (set(to) - set(refused))
        if len(self._accepted) > _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        raise self._refusal(refused)

    def _mail(self, message: Message) -> EmailMessage:
        domain = self._from.rpartition("@")[2]
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = title(message)
        mail["From"], mail["To"] = self._from, ", ".join(self._to)
        mail["Date"] = message.sent_at
        mail["Message-ID"] = f"<{_digest(message.key)}@{domain}>"
        mail["References"] = f"<{_digest(alert_name(message))}@{domain}>"  # mail programs show an alert as one thread
        mail["Auto-Submitted"] = "auto-generated"
        if message.severity == "critical" and message.status != "resolved":
            mail["Importance"] = "high"
        mail.set_content("\n".join(body_lines(message)), cte="base64")
        return mail

    def _refusal(self, refused: _Replies) -> NotifyError:
        """Say who was refused: one refusal that will pass makes it worth another attempt, to the refused only."""
        passing = any(not _is_final(code) for code, _ in refused.values())
        said = "; ".join(
            f"{each}: {code} {words.decode('utf-8', 'replace')}" for each, (code, words) in refused.items()
        )
        return self._endpoint.error(f"it does not take mail for {said}", permanent=not passing)

    def _failure(self, error: Exception) -> NotifyError:
        match error:
            case smtplib.SMTPResponseException():
                words = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
                stage = (
                    "it refuses user and password" if isinstance(error, smtplib.SMTPAuthenticationError) else "it said"
                )
                return self._endpoint.error(f"{stage}: {error.smtp_code} {words}", permanent=_is_final(error.smtp_code))
            case smtplib.SMTPNotSupportedError():
                return self._endpoint.error(
                    "it does not offer what is needed (STARTTLS, or a way to log in); see tls=", permanent=True
                )
            case smtplib.SMTPServerDisconnected() if error.__context__ is None:
                return self._endpoint.error("the connection broke", permanent=False)
        errors = list(chain(error))
        if any(isinstance(each, TimeoutError) for each in errors):
            return self._endpoint.error(f"not done within {self._around.timeout:g} s", permanent=False)
        return self._endpoint.error(why_unsent(errors)[1], permanent=False)


def _mailboxes(option: str, text: str) -> list[str]:
    found = [each.strip() for each in text.split(",")]
    if not all(_MAILBOX.fullmatch(each) for each in found):
        raise ValueError(f"needs {option}= with addresses such as ops@example.org")
    return found


def _is_final(code: int) -> bool:
    return 500 <= code < 600  # noqa: PLR2004 - RFC 5321: 5yz is a permanent negative answer


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
