/* SPDX-License-Identifier: MPL-2.0 */
/* content.h - one digest of all that an archive holds: paths, values, targets of links and attributes, in
 * their order.
 *
 * But for attributes it does not depend on how values are stored.  Their bytes are only looked at where it is
 * not known yet which blobs a restore would cut them into.  Pure.
 */
#ifndef XYLEM_CONTENT_H
#define XYLEM_CONTENT_H

#include "digest.h"

struct content;

/* blob_size: bytes of the blobs that values are cut into. */
struct content *content_new(enum digest_alg alg, size_t blob_size);
void content_free(struct content **c); // NULL is fine

/* Something said of the entry that is added next. */
void content_add_attribute(struct content *c, const char *name, const void *value, size_t size);

/* An entry.  refs: the blobs of a value of more bytes than stay inline, as a restore would cut it; or of any,
 * when an attribute has said how it is cut. */
void content_add_refs(struct content *c, const char *path, const struct digest *refs, size_t count);
void content_add_link(struct content *c, const char *path, const char *target);
void content_add_other(struct content *c, const char *path); // anything that is neither

/* A value byte by byte: begin, all its bytes in pieces of any size, end. */
void content_begin_value(struct content *c, const char *path, uint64_t size);
void content_add_bytes(struct content *c, const void *data, size_t size);
void content_end_value(struct content *c);

/* Of all that was added.  Once. */
void content_finish(struct content *c, struct digest *ret);

#endif
