"""The append-only, hash-chained log of everything that happened, and the blobs beside it.

* `entry`: what is recorded, and its one sequence of bytes;
* `chain`: how each entry holds the hash of the one before;
* `walk`: reads the files of a log in order, checking the chain;
* `checkpoint`: the signed statement of how long the log was and what its last hash was;
* `verify`: whether a log is whole; reads only;
* `writer`: appends durably; `log`: the ledger that the daemon holds open;
* `blobs`: content kept beside the log, named by its hash;
* `state`: what the log means; `frozen` and `changes`: how each entry changes it.
"""
