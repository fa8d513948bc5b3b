/* SPDX-License-Identifier: MPL-2.0 */
/* member_news.c - see member_news.h. */
#include "member_news.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {
    [OVERLAY_JOINED] = "join",   [OVERLAY_LEFT] = "leave",    [OVERLAY_LOST] = "lost",
    [OVERLAY_TORPID] = "torpid", [OVERLAY_LIVELY] = "lively",
};

const char *
member_news_word(enum overlay_event what)
{
    return words[what];
}

static int
parse_word(const char *word, enum overlay_event *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i], word) == 0) {
            *ret = (enum overlay_event)i;
            return 0;
        }
    }
    return -EPROTO;
}

/* A host's name comes from another machine: text that is not UTF-8 is left out. */
static json_t *
host_string(const char *hostname)
{
    json_t *json = json_string(hostname);

    return json ? json : json_string("");
}

json_t *
member_news_encode(const struct member_news *n)
{
    json_t *json = json_pack("{s:s s:I s:I s:b s:o s:f}", "event", words[n->what], "rank",
                             (json_int_t)n->rank, "by", (json_int_t)n->by, "adopted", n->adopted,
                             "hostname", host_string(n->hostname), "time", n->time);

    if (n->parent != TOPO_NONE)
        json_object_set_new(json, "parent", json_integer((json_int_t)n->parent));
    if (n->seq > 0)
        json_object_set_new(json, "seq", json_integer((json_int_t)n->seq));
    return json;
}

static bool
is_rank(json_int_t value, uint32_t size)
{
    return value >= 0 && value < (json_int_t)size;
}

int
member_news_decode(const json_t *json, uint32_t size, struct member_news *ret)
{
    const char *word;
    const char *hostname;
    json_int_t rank, by;
    json_int_t parent = -1;
    json_int_t seq = 0;
    double time;
    int adopted;

    if (json_unpack((json_t *)(uintptr_t)json, "{s:s s:I s:I s:b s:s s:F s?I s?I}", "event", &word,
                    "rank", &rank, "by", &by, "adopted", &adopted, "hostname", &hostname, "time",
                    &time, "parent", &parent, "seq", &seq) < 0)
        return -EPROTO;
    if (!is_rank(rank, size) || !is_rank(by, size) || (parent != -1 && !is_rank(parent, size)) ||
        seq < 0 || strlen(hostname) >= MEMBER_HOST_MAX)
        return -EPROTO;
    *ret = (struct member_news){.rank = (uint32_t)rank,
                                .parent = parent < 0 ? TOPO_NONE : (uint32_t)parent,
                                .by = (uint32_t)by,
                                .adopted = adopted,
                                .time = time,
                                .seq = (uint64_t)seq};
    snprintf(ret->hostname, sizeof(ret->hostname), "%s", hostname);
    return parse_word(word, &ret->what);
}

json_t *
member_news_batch(const struct member_news *news, size_t count)
{
    json_t *events = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(events, member_news_encode(&news[i]));
    return json_pack("{s:o}", "events", events);
}

bool
member_news_is_batch(const struct msg *event)
{
    return strcmp(event->topic, MEMBER_NEWS_BATCH) == 0;
}

/* false: it is not one of our words. */
static bool
make_event(const struct msg *batch, const json_t *json, struct msg *ret)
{
    const char *word = json_string_value(json_object_get(json, "event"));
    enum overlay_event what;
    char topic[32];
    AUTO(free) char *text = NULL;

    if (!word || parse_word(word, &what) < 0)
        return false;
    snprintf(topic, sizeof(topic), "overlay.%s", words[what]);
    text = json_dumps(json, JSON_COMPACT);
    msg_init(ret, MSG_EVENT);
    msg_set_topic(ret, topic);
    msg_set_text(ret, text);
    ret->userid = batch->userid;
    ret->rolemask = batch->rolemask;
    ret->sequence = batch->sequence;
    return true;
}

void
member_news_unpack(const struct msg *batch, void (*fn)(void *arg, const struct msg *event),
                   void *arg)
{
    const char *text = msg_text(batch);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(json, "events"), i, item)
    {
        struct msg event;

        if (!make_event(batch, item, &event))
            continue;
        fn(arg, &event);
        msg_fini(&event);
    }
    json_decref(json);
}
