/* The server of the benchmark: takes bodies and throws them away, as cheaply as the machine allows.
 *
 *     sink ADDRESS CERTIFICATE KEY       prints "PLAIN_PORT TLS_PORT", serves until its standard input ends
 *
 * A real server is another machine and takes nothing from the client's processors; this one runs beside the client.
 * So it has a thread for each connection, looks at the first 64 KiB of a body for the item's name and metadata, and
 * only counts the rest. Over plain TCP the kernel drops the bytes (MSG_TRUNC). Over TLS 1.3 it reads the record headers
 * of a large body and does not decrypt the contents; such a connection cannot receive anything afterwards, so it is
 * closed after the response. sink.py says what it answers. It is told what to do by lines on its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (1 << 20)
#define KEPT (64 << 10)
#define RECORD_HEAD 5
#define RECORD_EXTRA 17 /* what TLS 1.3 adds to a record's contents: its kind and a tag of 16 bytes */

struct item {
    char *name, *metadata;
};

struct request {
    char method[8], target[4096];
    long long length; /* of the body */
    int expects, closes;
    size_t kept_size;
    char kept[KEPT + 1]; /* the body's first bytes; ends in NUL */
};

struct peer {
    int fd;
    SSL *ssl;
    char *block; /* what was read and not used: from..to */
    size_t from, to;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct item *items; /* the id of one is its place, counted from 1 */
static size_t item_count, item_room;
static int latency_ms;
static long long requests, changes, uploads, upload_bytes;
static char *listing; /* the JSON members that every listed item ends with: its files */
static SSL_CTX *tls;

static ssize_t fill(struct peer *peer, size_t most) {
    if (most > BLOCK) most = BLOCK;
    ssize_t got = peer->ssl ? SSL_read(peer->ssl, peer->block, (int)most) : recv(peer->fd, peer->block, most, 0);
    peer->from = 0;
    peer->to = got > 0 ? (size_t)got : 0;
    return got;
}

static int put(struct peer *peer, const char *data, size_t size) {
    while (size) {
        ssize_t n = peer->ssl ? SSL_write(peer->ssl, data, (int)size) : send(peer->fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) return -1;
        data += n, size -= (size_t)n;
    }
    return 0;
}

static void keep(struct request *request, const char *data, size_t size) {
    size_t room = KEPT - request->kept_size;
    if (size > room) size = room;
    memcpy(request->kept + request->kept_size, data, size);
    request->kept_size += size;
    request->kept[request->kept_size] = 0;
}

/* One line without its line break; longer ones are cut. Returns its length, or -1 at the end of the stream. */
static int line(struct peer *peer, char *into, size_t most) {
    size_t size = 0;
    for (;;) {
        if (peer->from == peer->to && fill(peer, BLOCK) <= 0) return -1;
        char byte = peer->block[peer->from++];
        if (byte == '\n') break;
        if (byte != '\r' && size < most - 1) into[size++] = byte;
    }
    into[size] = 0;
    return (int)size;
}

static int read_head(struct peer *peer, struct request *request) {
    char text[8192];
    request->length = request->expects = request->closes = 0;
    if (line(peer, text, sizeof text) < 0 || sscanf(text, "%7s %4095s", request->method, request->target) != 2)
        return -1;
    for (;;) {
        int size = line(peer, text, sizeof text);
        if (size < 0) return -1;
        if (size == 0) return 0;
        if (!strncasecmp(text, "content-length:", 15)) request->length = atoll(text + 15);
        if (!strncasecmp(text, "expect:", 7)) request->expects = 1;
    }
}

/* Count what the records hold, without decrypting them. */
static int skip_records(struct peer *peer, long long left) {
    size_t have = 0, at = 0; /* bytes in the block, and where the next record begins, which may be beyond them */
    for (;;) {
        while (at + RECORD_HEAD <= have) {
            const unsigned char *head = (unsigned char *)peer->block + at;
            int size = head[3] << 8 | head[4];
            if (head[0] != SSL3_RT_APPLICATION_DATA || size < RECORD_EXTRA) return -1;
            left -= size - RECORD_EXTRA;
            at += RECORD_HEAD + (size_t)size;
        }
        if (left <= 0 && at == have) return left < 0 ? -1 : 0;
        size_t kept = at < have ? have - at : 0; /* of a record's head */
        memmove(peer->block, peer->block + have - kept, kept);
        at -= have - kept;
        ssize_t got = recv(peer->fd, peer->block + kept, BLOCK - kept, 0);
        if (got <= 0) return -1;
        have = kept + (size_t)got;
    }
}

static int read_exactly(struct peer *peer, struct request *request, long long left) {
    while (left > 0) {
        size_t at_hand = peer->to - peer->from;
        if (at_hand) {
            if ((long long)at_hand > left) at_hand = (size_t)left;
            keep(request, peer->block + peer->from, at_hand);
            peer->from += at_hand;
            left -= (long long)at_hand;
        } else if (!peer->ssl && request->kept_size == KEPT) {
            ssize_t dropped = recv(peer->fd, NULL, left < (16 << 20) ? (size_t)left : 16 << 20, MSG_TRUNC);
            if (dropped <= 0) return -1;
            left -= dropped;
        } else if (peer->ssl && request->kept_size == KEPT && !SSL_pending(peer->ssl) &&
                   request->length > BLOCK) {
            request->closes = 1;
            return skip_records(peer, left);
        } else if (fill(peer, left < BLOCK ? (size_t)left : BLOCK) <= 0) {
            return -1;
        }
    }
    return 0;
}

/* The text between two marks, from a place on; NULL when they are not there. To be freed. */
static char *between(const char *text, const char *begin, const char *middle, const char *end) {
    const char *from = strstr(text, begin);
    if (!from || !(from = strstr(from, middle))) return NULL;
    from += strlen(middle);
    const char *to = strstr(from, end);
    return to ? strndup(from, (size_t)(to - from)) : NULL;
}

static long long number_after(const char *text, const char *mark, long long otherwise) {
    const char *from = strstr(text, mark);
    return from ? atoll(from + strlen(mark)) : otherwise;
}

/* The JSON of one item. One that stands for many ("repeat") is the first item with other digits in its name. */
static void put_item(FILE *out, size_t place) {
    struct item *item = &items[place], *model = &items[0];
    char name[32] = "";
    if (!item->name) snprintf(name, sizeof name, "item-%07zu", place);
    fprintf(out, "{\"id\":%zu,\"name\":\"%s\",\"dataset\":\"bench\",\"created\":\"2026-01-01T00:00:00Z\",\"metadata\":",
            place + 1, item->name ? item->name : name);
    const char *from = item->metadata ? item->metadata : model->metadata, *found;
    while (!item->metadata && (found = strstr(from, model->name))) {
        fwrite(from, 1, (size_t)(found - from), out);
        fputs(name, out);
        from = found + strlen(model->name);
    }
    fprintf(out, "%s,%s}", from, listing);
}

static char *answer_item(struct request *request) {
    char *text = NULL;
    size_t size;
    long long id = atoll(strrchr(request->target, '/') + 1);
    if (id < 1 || id > (long long)item_count) return strdup("{\"success\":true}");
    FILE *out = open_memstream(&text, &size);
    fputs("{\"success\":true,\"data\":", out);
    put_item(out, (size_t)id - 1);
    fputs("}", out);
    fclose(out);
    return text;
}

static int is_named(size_t place, const char *name) {
    if (items[place].name) return !strcmp(items[place].name, name);
    return strlen(name) == 12 && !strncmp(name, "item-", 5) && (size_t)atoll(name + 5) == place;
}

/* The items of a name, or a page of all. */
static char *answer_listing(struct request *request) {
    char *text = NULL, *name = between(request->target, "filter=", "%27", "%27");
    size_t size, listed = 0, total = item_count;
    size_t limit = (size_t)number_after(request->target, "limit=", 1000);
    size_t offset = (size_t)number_after(request->target, "offset=", 0);
    FILE *out = open_memstream(&text, &size);
    fputs("{\"success\":true,\"data\":[", out);
    for (size_t place = name ? 0 : offset; place < item_count && listed < limit; place++) {
        if (name && !is_named(place, name)) continue;
        if (listed++) fputc(',', out);
        put_item(out, place);
    }
    if (name) total = listed;
    fprintf(out, "],\"totalDataItemCount\":%zu}", total);
    fclose(out);
    free(name);
    return text;
}

static struct item *new_item(void) {
    if (item_count == item_room) items = realloc(items, (item_room = item_room * 2 + 64) * sizeof *items);
    return memset(&items[item_count++], 0, sizeof *items);
}

static char *answer_create(struct request *request) {
    char *text = NULL;
    struct item *item = new_item();
    item->name = between(request->kept, "name=\"name\"", "\r\n\r\n", "\r\n--");
    item->metadata = between(request->kept, "name=\"metadata\"", "\r\n\r\n", "\r\n--");
    if (!item->name) item->name = strdup("");
    if (!item->metadata) item->metadata = strdup("{}");
    return asprintf(&text, "{\"success\":true,\"id\":%zu}", item_count) < 0 ? NULL : text;
}

static char *answer_update(struct request *request) {
    long long id = atoll(strrchr(request->target, '/') + 1);
    char *metadata = strstr(request->kept, "\"metadata\""), *end = strrchr(request->kept, '}');
    if (id > 0 && id <= (long long)item_count && metadata && (metadata = strchr(metadata, '{'))) {
        struct item *item = &items[id - 1]; /* metadata are the request's only member, before its last brace */
        free(item->metadata);
        item->metadata = strndup(metadata, (size_t)(end - metadata));
    }
    return strdup("{\"success\":true}");
}

static char *answer(struct request *request) {
    int posts = !strcmp(request->method, "POST");
    size_t size = strlen(request->target);
    requests++;
    if (strcmp(request->method, "GET")) changes++;
    if (!strcmp(request->method, "PUT")) uploads++, upload_bytes += request->length; /* an object, to a store */
    if (!posts && strstr(request->target, "/data/files?")) return answer_listing(request);
    if (!strcmp(request->method, "GET")) return answer_item(request);
    if (!posts) return strdup("{\"success\":true}");
    if (size < 4 || strcmp(request->target + size - 4, "/add")) return answer_update(request);
    uploads++;
    upload_bytes += request->length;
    return size > 9 && !strcmp(request->target + size - 9, "/data/add") ? answer_create(request)
                                                                        : strdup("{\"success\":true}");
}

static int serve_one(struct peer *peer, struct request *request) {
    if (read_head(peer, request) < 0) return -1;
    request->kept_size = 0;
    request->kept[0] = 0;
    if (request->expects && put(peer, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) return -1;
    if (read_exactly(peer, request, request->length) < 0) return -1;
    pthread_mutex_lock(&lock);
    char *body = answer(request);
    int wait_ms = latency_ms;
    pthread_mutex_unlock(&lock);
    if (wait_ms) usleep((useconds_t)wait_ms * 1000);
    char *whole = NULL;
    int size = asprintf(&whole, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
                        strlen(body), request->closes ? "Connection: close\r\n" : "", body);
    int sent = size < 0 ? -1 : put(peer, whole, (size_t)size);
    free(body), free(whole);
    return sent < 0 || request->closes ? -1 : 0;
}

static void *serve(void *given) {
    struct peer *peer = given;
    struct request *request = calloc(1, sizeof *request);
    int yes = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    peer->block = malloc(BLOCK);
    if (peer->ssl) SSL_set_fd(peer->ssl, peer->fd);
    if (!peer->ssl || SSL_accept(peer->ssl) == 1)
        while (serve_one(peer, request) == 0) continue;
    if (peer->ssl) SSL_shutdown(peer->ssl), SSL_free(peer->ssl);
    close(peer->fd);
    free(request), free(peer->block), free(peer);
    return NULL;
}

struct door {
    int fd, secure;
};

static void *take_in(void *given) {
    struct door *door = given;
    for (;;) {
        struct peer *peer = calloc(1, sizeof *peer);
        pthread_t thread;
        peer->fd = accept(door->fd, NULL, NULL);
        if (peer->fd < 0) exit(1);
        if (door->secure) peer->ssl = SSL_new(tls);
        if (pthread_create(&thread, NULL, serve, peer) || pthread_detach(thread)) exit(1);
    }
}

static int open_door(struct door *door, int secure, const char *host) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(host)};
    socklen_t size = sizeof address;
    pthread_t thread;
    door->secure = secure;
    door->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door->fd, (struct sockaddr *)&address, size) || listen(door->fd, 512)) exit(1);
    getsockname(door->fd, (struct sockaddr *)&address, &size);
    pthread_create(&thread, NULL, take_in, door);
    return ntohs(address.sin_port);
}

/* One line of standard input: "reset LATENCY_MS MEMBERS", "repeat COUNT" or "count". */
static void obey(char *text) {
    pthread_mutex_lock(&lock);
    if (!strncmp(text, "reset ", 6)) {
        latency_ms = (int)strtol(text + 6, &text, 10);
        requests = changes = uploads = upload_bytes = 0;
        while (item_count) {
            struct item *gone = &items[--item_count];
            free(gone->name), free(gone->metadata);
        }
        free(listing);
        listing = strdup(text + 1);
    } else if (!strncmp(text, "repeat ", 7)) {
        for (long long more = atoll(text + 7) - (long long)item_count; more > 0; more--) new_item();
    }
    printf("%lld %lld %lld %lld\n", requests, changes, uploads, upload_bytes);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
}

int main(int count, char **words) {
    static struct door doors[2];
    char *text = NULL;
    size_t room = 0;
    ssize_t size;
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_server_method());
    if (count != 4 || SSL_CTX_use_certificate_chain_file(tls, words[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, words[3], SSL_FILETYPE_PEM) != 1)
        return 2;
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_read_ahead(tls, 0); /* so that the socket stands at a record's head whenever nothing is pending */
    listing = strdup("\"totalFileCount\":0,\"totalFileSize\":0,\"files\":[]");
    int plain = open_door(&doors[0], 0, words[1]), secure = open_door(&doors[1], 1, words[1]);
    printf("%d %d\n", plain, secure);
    fflush(stdout);
    while ((size = getline(&text, &room, stdin)) > 0) { /* until the benchmark ends */
        text[strcspn(text, "\n")] = 0;
        obey(text);
    }
    _exit(0);
}
