"""What the server checks before it looks at a call's own parameters: who calls, when, how often."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Mapping

from syncer.simulator.behaviour import Behaviour
from syncer.simulator.quota import Quota
from syncer.simulator.signature import signature, string_to_sign

ACTION = "VodBackupGet"
_NEEDED = ("Action", "Region", "Timestamp", "Nonce", "SecretId", "Signature")
_REMEMBER = 7200.0  # seconds for which a nonce may not come again
_MOST_NONCES = 300_000
_DIGITS = 20


class Refusal(Exception):
    """The coded answer to a call that is not served."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"({code}){message}")
        self.code = code
        self.message = message


class Gate:
    """Checks the common parameters, the signature, the clock, the nonce and the quota; remembers nonces and calls."""

    def __init__(
        self,
        behaviour: Behaviour,
        credentials: Mapping[str, str],
        *,
        signed_host: str | None,
        token: str | None,
    ) -> None:
        self._behaviour = behaviour
        self._credentials = credentials
        self._signed_host = signed_host
        self._token = token
        self._quota = Quota(behaviour)
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def check(self, method: str, host: str, path: str, params: Mapping[str, str], now: float) -> None:
        """Let a call pass, or raise the Refusal that answers it; `now` is UNIX seconds."""
        if self._behaviour.https_required:
            raise Refusal(4600, "协议不支持, 请使用 HTTPS")
        self._common(params)
        key = self._credentials.get(params["SecretId"])
        if key is None:
            raise Refusal(4104, "密钥不存在")
        if self._token is not None and params.get("Token") != self._token:
            raise Refusal(4105, "token 错误")
        self._time(params, now)
        text = string_to_sign(method, self._signed_host or host.partition(":")[0], path, params)
        expected = signature(key, text, params.get("SignatureMethod"))
        if not hmac.compare_digest(expected.encode(), params["Signature"].encode("utf-8", "surrogatepass")):
            raise Refusal(4100, "身份认证失败, 签名错误")
        self._nonce(params, now)
        if not self._quota.admit(params["SecretId"], now):
            raise Refusal(4400, "请求次数超过配额限制")

    def _common(self, params: Mapping[str, str]) -> None:
        for name in _NEEDED:
            if not params.get(name):
                raise Refusal(4000, f"缺少必要参数 {name}")
        if params["Action"] != ACTION:
            raise Refusal(6100, "版本暂不支持, 接口不存在")
        for name in ("Timestamp", "Nonce"):
            value = params[name]
            if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value) > 0):
                raise Refusal(4000, f"参数 {name} 取值错误")

    def _time(self, params: Mapping[str, str], now: float) -> None:
        if abs(int(params["Timestamp"]) - now) > self._behaviour.clock_tolerance:
            raise Refusal(4500, f"重放攻击错误, 请求时间戳与服务器时间相差过大, 腾讯服务器 Timestamp = {int(now)}")

    def _nonce(self, params: Mapping[str, str], now: float) -> None:
        mark = params["SecretId"], params["Nonce"]
        while self._nonces and (
            len(self._nonces) > _MOST_NONCES or next(iter(self._nonces.values())) < now - _REMEMBER
        ):
            self._nonces.popitem(last=False)
        if mark in self._nonces:
            raise Refusal(4500, f"重放攻击错误, Nonce 重复, 腾讯服务器 Timestamp = {int(now)}")
        self._nonces[mark] = now
