"""In: equations as they are counted. Out: operations of the ways that take parameters one by one.

`shapes` says which tangents a tensor has, and where they aren't known to be zero (`templates`: entries of parameters).
`tangents` counts forward mode and naive expansion by recurrence, `needs` each gradient alone, in any sizes, with
conditions on indices taken to hold; `alone` counts each gradient alone with them.
"""
