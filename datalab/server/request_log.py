"""What aiohttp logs of requests that it cannot handle: without the address they came from, and what they said."""

import logging
from ipaddress import ip_address

from aiohttp.http_exceptions import HttpProcessingError


class WithoutAddresses(logging.Filter):
    """Takes addresses out of a line, and the trace of a request that is no HTTP: its text repeats the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple("(address)" if is_address(value) else value for value in record.args)
        fault = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(fault, HttpProcessingError):
            record.msg, record.args = "a request was refused that is no HTTP: %s", (type(fault).__name__,)
            record.exc_info = None
        return True


def is_address(value: object) -> bool:
    """Whether this is an IP address, as text or not."""
    try:
        ip_address(str(value))
    except ValueError:
        return False
    return not isinstance(value, int | bytes)


def request_log() -> logging.Logger:
    """The logger to hand to aiohttp."""
    log = logging.getLogger(__name__)
    if not any(isinstance(each, WithoutAddresses) for each in log.filters):
        log.addFilter(WithoutAddresses())
    return log
