/* SPDX-License-Identifier: MPL-2.0 */
/* metric_table.h - every figure of a rank, once: METRIC_TABLE(X) is
 *
 *   X(IDENT, "group.name", KIND, UNIT, "What it is, as a sentence without its full stop")
 *
 * From it come enum metric (METRIC_IDENT), the JSON of stats.get, what `xylem stats` prints, the names
 * for Prometheus, and the table in xylem-stats(7).
 *
 * KIND  COUNTER    only grows, from the start of the rank
 *       GAUGE      how it is now; of several ranks: the sum
 *       STATE      how it is now; says nothing when added up, so it is left out of sums
 *       HISTOGRAM  samples; of several ranks: all of them
 * UNIT  ONE, BYTES, SECONDS, US (microseconds)
 *
 * To add one: a row here, among those of its group; where it happens, metrics_add() or
 * metrics_observe(), or, where it is kept already, metrics_set() in brokerd/stats.c; and the row in the
 * page, which the test base/metric_page prints if it is missing.  A new group also needs a
 * metrics_show() in brokerd/stats.c, at the ranks that have it.
 *
 * Names are for ever: lower case and '-', at most one '.', a size in bytes ends in "bytes".
 */
#ifndef XYLEM_METRIC_TABLE_H
#define XYLEM_METRIC_TABLE_H

/* clang-format off */
#define METRIC_TABLE(X) \
    X(CLIENTS, "clients", GAUGE, ONE, "Local clients connected") \
    \
    X(PROCESS_UPTIME, "process.uptime", STATE, SECONDS, "Time since the rank started") \
    X(PROCESS_RESIDENT, "process.resident-bytes", GAUGE, BYTES, \
      "Memory of the process, as far as it is resident") \
    \
    X(CACHE_LOADS, "cache.loads", COUNTER, ONE, "Blobs the cache was asked for") \
    X(CACHE_HITS, "cache.hits", COUNTER, ONE, "Loads of a blob that was there") \
    X(CACHE_MISSES, "cache.misses", COUNTER, ONE, "Loads that had to ask the parent or the store") \
    X(CACHE_COALESCED, "cache.coalesced", COUNTER, ONE, \
      "Loads that waited for a request already in flight") \
    X(CACHE_STORES, "cache.stores", COUNTER, ONE, "Blobs given to the cache") \
    X(CACHE_STORES_CLEAN, "cache.stores-clean", COUNTER, ONE, \
      "Stores of a blob that was there and clean") \
    X(CACHE_EVICTIONS, "cache.evictions", COUNTER, ONE, "Blobs dropped for want of room") \
    X(CACHE_VERIFY_FAILURES, "cache.verify-failures", COUNTER, ONE, \
      "Blobs dropped because their bytes did not match the digest") \
    X(CACHE_FETCHES, "cache.fetches", COUNTER, ONE, "Loads sent to the parent or the store") \
    X(CACHE_PUTS, "cache.puts", COUNTER, ONE, "Stores sent to the parent or the store") \
    X(CACHE_ENTRIES, "cache.entries", GAUGE, ONE, "Blobs in the cache") \
    X(CACHE_BYTES, "cache.bytes", GAUGE, BYTES, "Memory of the blobs in the cache, with overhead") \
    X(CACHE_DIRTY_ENTRIES, "cache.dirty-entries", GAUGE, ONE, \
      "Blobs that the parent or the store has not acknowledged") \
    X(CACHE_DIRTY_BYTES, "cache.dirty-bytes", GAUGE, BYTES, \
      "Memory of the blobs that are not acknowledged") \
    X(CACHE_LOADING, "cache.loading", GAUGE, ONE, "Loads in flight to the parent or the store") \
    X(CACHE_STORING, "cache.storing", GAUGE, ONE, "Stores in flight to the parent or the store") \
    X(CACHE_STORING_BYTES, "cache.storing-bytes", GAUGE, BYTES, \
      "Memory of the blobs in flight to the parent or the store") \
    \
    X(CONTENT_HEALED, "content.healed", COUNTER, ONE, \
      "Damaged blobs that were stored again (rank 0)") \
    X(CONTENT_SALVAGES, "content.salvages", COUNTER, ONE, \
      "Damaged blobs that other ranks were asked for (rank 0)") \
    X(CONTENT_HELD, "content.held", GAUGE, ONE, "Stores that wait for a flush to end") \
    \
    X(ROUTER_REQUESTS, "router.requests", COUNTER, ONE, "Requests received") \
    X(ROUTER_RESPONSES, "router.responses", COUNTER, ONE, "Responses sent") \
    X(ROUTER_ERRORS, "router.errors", COUNTER, ONE, "Requests this rank answered with an error") \
    X(ROUTER_FORWARDED, "router.forwarded", COUNTER, ONE, "Requests passed on to another rank") \
    X(ROUTER_CALLS, "router.calls", COUNTER, ONE, "Requests sent to a neighbour") \
    X(ROUTER_REPLAYED, "router.replayed", COUNTER, ONE, \
      "Requests sent again after the parent was lost") \
    X(ROUTER_PARKINGS, "router.parkings", COUNTER, ONE, \
      "Answers that had to wait because their asker did not read") \
    X(ROUTER_PARKED, "router.parked", GAUGE, ONE, \
      "Requests that wait because their asker does not read") \
    X(ROUTER_REFUSED, "router.refused", COUNTER, ONE, \
      "Requests of remote clients that had too many under way") \
    X(ROUTER_PENDING, "router.pending", GAUGE, ONE, \
      "Requests to a neighbour that are not answered") \
    \
    X(PARENT_IN_MESSAGES, "parent.in-messages", COUNTER, ONE, "Messages from the parent") \
    X(PARENT_IN_BYTES, "parent.in-bytes", COUNTER, BYTES, \
      "Bytes of the messages from the parent") \
    X(PARENT_OUT_MESSAGES, "parent.out-messages", COUNTER, ONE, "Messages to the parent") \
    X(PARENT_OUT_BYTES, "parent.out-bytes", COUNTER, BYTES, \
      "Bytes of the messages to the parent") \
    X(PARENT_FULL, "parent.full", COUNTER, ONE, \
      "Times that the parent had as much under way as may be") \
    X(PARENT_UNACKED_BYTES, "parent.unacked-bytes", GAUGE, BYTES, \
      "Bytes on their way to the parent") \
    \
    X(CHILDREN_IN_MESSAGES, "children.in-messages", COUNTER, ONE, "Messages from children") \
    X(CHILDREN_IN_BYTES, "children.in-bytes", COUNTER, BYTES, \
      "Bytes of the messages from children") \
    X(CHILDREN_OUT_MESSAGES, "children.out-messages", COUNTER, ONE, "Messages to children") \
    X(CHILDREN_OUT_BYTES, "children.out-bytes", COUNTER, BYTES, \
      "Bytes of the messages to children") \
    X(CHILDREN_FULL, "children.full", COUNTER, ONE, \
      "Times that a child had as much under way as may be") \
    X(CHILDREN_UNACKED_BYTES, "children.unacked-bytes", GAUGE, BYTES, \
      "Bytes on their way to children") \
    \
    X(REMOTE_IN_MESSAGES, "remote.in-messages", COUNTER, ONE, "Messages from remote clients") \
    X(REMOTE_IN_BYTES, "remote.in-bytes", COUNTER, BYTES, \
      "Bytes of the messages from remote clients") \
    X(REMOTE_OUT_MESSAGES, "remote.out-messages", COUNTER, ONE, "Messages to remote clients") \
    X(REMOTE_OUT_BYTES, "remote.out-bytes", COUNTER, BYTES, \
      "Bytes of the messages to remote clients") \
    X(REMOTE_CLIENTS, "remote.clients", GAUGE, ONE, "Remote clients known") \
    X(REMOTE_FULL, "remote.full", COUNTER, ONE, \
      "Times that a remote client had as much under way as may be") \
    X(REMOTE_UNACKED_BYTES, "remote.unacked-bytes", GAUGE, BYTES, \
      "Bytes on their way to remote clients") \
    X(REMOTE_CUT, "remote.cut", COUNTER, ONE, "Remote clients cut off because they did not read") \
    X(REMOTE_LET_IN, "remote.let-in", COUNTER, ONE, "Connections let in by their key") \
    X(REMOTE_REFUSED, "remote.refused", COUNTER, ONE, "Connections refused for want of the right key") \
    \
    X(LOCAL_IN_MESSAGES, "local.in-messages", COUNTER, ONE, "Messages from local clients") \
    X(LOCAL_IN_BYTES, "local.in-bytes", COUNTER, BYTES, \
      "Bytes of the messages from local clients") \
    X(LOCAL_OUT_MESSAGES, "local.out-messages", COUNTER, ONE, "Messages to local clients") \
    X(LOCAL_OUT_BYTES, "local.out-bytes", COUNTER, BYTES, \
      "Bytes of the messages to local clients") \
    X(LOCAL_HELD, "local.held", GAUGE, ONE, "Local clients that are not read from for now") \
    X(LOCAL_OUTPUT_BYTES, "local.output-bytes", GAUGE, BYTES, "Bytes queued for local clients") \
    X(LOCAL_CUT, "local.cut", COUNTER, ONE, "Local clients cut off because they stopped to write or to read") \
    X(LOCAL_REFUSED, "local.refused", COUNTER, ONE, "Local connections of other users, refused") \
    X(LOCAL_PENDING, "local.pending", GAUGE, ONE, "Requests of local clients that are not answered") \
    X(LOCAL_PENDING_BYTES, "local.pending-bytes", GAUGE, BYTES, \
      "Bytes charged for requests of local clients that are not answered") \
    X(LOCAL_WAITING, "local.waiting", GAUGE, ONE, \
      "Local clients that wait to be let in with a request") \
    X(LOCAL_REFUSALS, "local.refusals", COUNTER, ONE, "Times that a request was not let in at once") \
    \
    X(LATENCY_LOAD_HIT, "latency.load-hit", HISTOGRAM, US, \
      "Loads of a blob that were answered at once") \
    X(LATENCY_LOAD_MISS, "latency.load-miss", HISTOGRAM, US, "Loads of a blob that had to wait") \
    X(LATENCY_STORE, "latency.store", HISTOGRAM, US, "Stores of a blob") \
    X(LATENCY_COMMIT, "latency.commit", HISTOGRAM, US, "KVS commits") \
    X(LATENCY_LOOKUP, "latency.lookup", HISTOGRAM, US, "KVS look-ups") \
    X(LATENCY_OTHER, "latency.other", HISTOGRAM, US, \
      "Other requests, but for those that wait for an event") \
    \
    X(KVS_LOOKUPS, "kvs.lookups", COUNTER, ONE, "Look-ups") \
    X(KVS_VERSION_WAITS, "kvs.version-waits", GAUGE, ONE, "Clients that wait for a version") \
    X(KVS_WATCHES, "kvs.watches", GAUGE, ONE, "Watches of clients") \
    X(KVS_VERSIONS, "kvs.versions", GAUGE, ONE, "Recent versions that are remembered") \
    X(KVS_COMMITS, "kvs.commits", COUNTER, ONE, "Commits applied here (rank 0)") \
    X(KVS_ROOTS, "kvs.roots", COUNTER, ONE, "Roots written, namespaces made included (rank 0)") \
    X(KVS_COMMITS_PER_ROOT, "kvs.commits-per-root", HISTOGRAM, ONE, \
      "Commits merged into a root (rank 0)") \
    \
    X(STORE_BATCHES, "store.batches", COUNTER, ONE, "Transactions") \
    X(STORE_ROWS, "store.rows", COUNTER, ONE, "Blobs, roots and checkpoints written by transactions") \
    X(STORE_LOADS, "store.loads", COUNTER, ONE, "Loads from the database") \
    X(STORE_LOAD_FAILURES, "store.load-failures", COUNTER, ONE, \
      "Loads that failed, but for blobs that are not there") \
    X(STORE_PUT_FAILURES, "store.put-failures", COUNTER, ONE, "Writes that failed") \
    X(STORE_READ_BYTES, "store.read-bytes", COUNTER, BYTES, "Bytes of blobs read from the database") \
    X(STORE_WRITTEN_BYTES, "store.written-bytes", COUNTER, BYTES, \
      "Bytes of blobs written to the database") \
    X(STORE_QUEUED, "store.queued", GAUGE, ONE, "Requests to the store that are not answered") \
    X(STORE_ROWS_PER_BATCH, "store.rows-per-batch", HISTOGRAM, ONE, "Rows of a transaction") \
    X(STORE_COMMIT_TIME, "store.commit-time", HISTOGRAM, US, \
      "Transactions, from their beginning to the end of the commit") \
    X(STORE_LOAD_TIME, "store.load-time", HISTOGRAM, US, \
      "Loads from the database, from the question to the answer") \
    \
    X(SCRUB_BLOBS, "scrub.blobs", COUNTER, ONE, "Blobs read to find damage") \
    X(SCRUB_BYTES, "scrub.bytes", COUNTER, BYTES, "Bytes of the blobs read to find damage") \
    X(SCRUB_DAMAGED, "scrub.damaged", COUNTER, ONE, "Blobs found damaged") \
    X(SCRUB_PASSES, "scrub.passes", COUNTER, ONE, "Times that the end of the database was reached")
/* clang-format on */

#endif
