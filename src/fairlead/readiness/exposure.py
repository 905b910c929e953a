"""Host and exposure: where callers come in, and who else could."""

from __future__ import annotations

from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question

GROUP = "Host and exposure"
_SOON = 14.0


def _starts(facts: Facts) -> Finding:
    doors = facts.doors
    if doors.refused:
        return Finding(FAIL, doors.refused, doors.remedy)
    return Finding(PASS, "every setting is taken")


def _host(facts: Facts) -> Finding:
    doors = facts.doors
    if doors.inside:
        shown = f"{doors.host}: this machine alone"
        reached = doors.elsewhere or doors.proxied or doors.platform
        verdict = PASS if reached else facts.mild
        return Finding(verdict, shown, facts.served("--host 0.0.0.0"))
    verdict = facts.by_exposure(WARN, PASS, PASS)
    fix = facts.served("--host 127.0.0.1")
    return Finding(verdict, f"{doors.host}: every machine that reaches this one", fix)


def _encryption(facts: Facts) -> Finding:
    doors = facts.doors
    if doors.tls:
        return Finding(PASS, "TLS 1.2 or newer, spoken by the server itself")
    if doors.elsewhere or doors.platform:
        return Finding(PASS, "TLS ends in front of the server, by the owner's word")
    fix = facts.served("--tls-cert cert.pem --tls-key key.pem")
    return Finding(facts.grave, "none: requests, answers and keys travel in the clear", fix)


def _certificate(facts: Facts) -> Finding:
    ends = facts.doors.ends
    if ends is None:
        return Finding(PASS, "no certificate of the server's own")
    fix = f"renew {facts.doors.host}'s certificate and replace the file of server.tls_cert"
    if ends <= 0:
        return Finding(FAIL, f"it ended {-ends:.0f} days ago", fix)
    return Finding(WARN if ends < _SOON else PASS, f"it is good for {ends:.0f} more days", fix)


def _administration(facts: Facts) -> Finding:
    doors = facts.doors
    if doors.admin_inside:
        return Finding(PASS, f"{doors.admin}: this machine alone")
    fix = facts.served("--admin auto")
    return Finding(
        facts.by_exposure(WARN, WARN, FAIL), f"{doors.admin}: other machines can reach it", fix
    )


QUESTIONS = (
    Question("server-starts", "Would a server start with these settings?", _starts),
    Question("host-exposure", "Can those reach it who should, and nobody else?", _host),
    Question("encryption", "Can anybody on the way read or change what is sent?", _encryption),
    Question("certificate", "Is the certificate good, and for how long?", _certificate),
    Question("administration", "Can outsiders reach the administration?", _administration),
)
