"""What derivation, cost and code say of the same quantities, put together: the account of each step, and its page.

`account` joins what the siblings show, count and lower know, by the names of the tensors; `page` is the HTML file.
"""

from symbp.report.account import Account, Entry, account
from symbp.report.page import page

__all__ = ["Account", "Entry", "account", "page"]
