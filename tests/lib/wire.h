/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A judge of request bodies: it parses what a client sent and says which rule of the wire protocol
 * it breaks. It knows nothing of the library under test, so both cannot share one mistake.
 *
 * Nothing here locks: an object belongs to one thread at a time.
 */

#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* WIRE_STRICT is what our own bodies must obey. WIRE_DIALECT tolerates what the official clients
 * are seen to send: `+00:00` or no fraction in timestamps, end times in integer milliseconds, null
 * for absent fields, sloppy attachment names, ids that do not carry the start time. */
typedef enum
{
  WIRE_STRICT = 0,
  WIRE_DIALECT = 1 << 0,
} WireFlags;

/* One code per rule, so that a test can ask for the very rule that it broke. */
typedef enum
{
  WIRE_ERROR_ENDPOINT, /* method, path and content type fit no ingest endpoint */
  WIRE_ERROR_BOUNDARY, /* no usable boundary in Content-Type, or the body does not start with it */
  WIRE_ERROR_FRAMING,  /* line ends, close delimiter, preamble, epilogue */
  WIRE_ERROR_PART_HEADER, /* a part header is missing, repeated, malformed or not allowed */
  WIRE_ERROR_PART_FILENAME,
  WIRE_ERROR_PART_ENCODING, /* Content-Encoding on one part */
  WIRE_ERROR_PART_LENGTH,   /* no length, two that differ, or a wrong one */
  WIRE_ERROR_PART_NAME,     /* not in the grammar of part names */
  WIRE_ERROR_PART_ORDER,    /* a field without its main part, or the same part twice */
  WIRE_ERROR_UTF8,
  WIRE_ERROR_JSON,        /* not JSON by RFC 8259; duplicate keys too */
  WIRE_ERROR_NOT_FINITE,  /* NaN, Infinity, or a number that no double can hold */
  WIRE_ERROR_SHAPE,       /* JSON of the wrong type in that place */
  WIRE_ERROR_ID,          /* id missing, malformed, or another one than the part's name has */
  WIRE_ERROR_MISSING,     /* a required field is absent */
  WIRE_ERROR_OUT_OF_BAND, /* one of the six big fields inside a main part */
  WIRE_ERROR_RUN_TYPE,
  WIRE_ERROR_TIMESTAMP,     /* unreadable time, or not the strict form */
  WIRE_ERROR_TIME_ORDER,    /* the run ends before it starts */
  WIRE_ERROR_TIME_MISMATCH, /* UUID, start_time and stamp do not agree */
  WIRE_ERROR_DOTTED_ORDER,  /* not in the grammar (other than D7) */
  WIRE_ERROR_D1,            /* root with more than one segment */
  WIRE_ERROR_D2,            /* child with fewer than two segments */
  WIRE_ERROR_D3,            /* first segment is not trace_id */
  WIRE_ERROR_D4,            /* last segment is not id */
  WIRE_ERROR_D5,            /* last but one segment is not parent_run_id */
  WIRE_ERROR_D6,            /* a segment is earlier than the one before it */
  WIRE_ERROR_D7,            /* not exactly six fraction digits */
  WIRE_ERROR_FEEDBACK,
  WIRE_ERROR_ORPHAN, /* the parent of a run is nowhere */
  WIRE_ERROR_POSTED_TWICE,
  WIRE_ERROR_PATCHED_TWICE,
  WIRE_ERROR_INCOMPLETE, /* patched but never posted, or never ended */
} WireError;

#define WIRE_ERROR (wire_error_quark ())

GQuark wire_error_quark (void);

/* --- multipart ----------------------------------------------------------------------------- */

typedef struct
{
  char *name;          /* (owned) */
  char *content_type;  /* (owned) without the length parameter */
  gsize offset;        /* of the delimiter line, from the start of the body */
  gsize header_length; /* delimiter line, headers and the empty line */
  gsize payload_length;
  GBytes *payload; /* (owned) */
} WirePart;

/* (element-type WirePart) (transfer full) */
GPtrArray *wire_multipart_parse (const char *content_type,
                                 GBytes *body,
                                 WireFlags flags,
                                 GError **error);

/* --- JSON ---------------------------------------------------------------------------------- */

/* Checks the syntax by RFC 8259 (json-glib is lenient) and then parses. */
JsonNode *wire_json_parse (const char *data, gsize length, GError **error);

/* (transfer full): compact text with sorted keys, equal for equal values */
char *wire_json_canonical (JsonNode *node);

/* --- requests ------------------------------------------------------------------------------ */

/* Immutable and reference counted. */
typedef struct
{
  char *run_id;       /* (owned) */
  char *name;         /* (owned) */
  char *content_type; /* (owned) */
  GBytes *data;       /* (owned) */
} WireAttachment;

WireAttachment *wire_attachment_ref (WireAttachment *self);
void wire_attachment_unref (WireAttachment *self);

typedef struct
{
  const char *op; /* "post" or "patch" */
  char *id;       /* (owned) from the part name or the URL, else from the object */
  gboolean is_multipart;
  JsonObject *sent;       /* (owned) the main object as it was sent */
  JsonObject *run;        /* (owned) the same with the out-of-band fields put back in */
  GPtrArray *attachments; /* (owned) (element-type WireAttachment) */
  gsize payload_bytes;    /* of all its parts; framing does not count */
} WireOp;

typedef enum
{
  WIRE_ENDPOINT_MULTIPART,
  WIRE_ENDPOINT_BATCH,
  WIRE_ENDPOINT_RUN, /* POST /runs, PATCH /runs/{id} */
  WIRE_ENDPOINT_FEEDBACK,
} WireEndpoint;

typedef struct
{
  WireEndpoint endpoint;
  GPtrArray *ops;      /* (owned) (element-type WireOp) in the order of the body */
  GPtrArray *feedback; /* (owned) (element-type JsonObject) */
  GPtrArray *
      loose_attachments; /* (owned) (element-type WireAttachment) of runs not in this request; dialect */
  gsize payload_bytes;
} WireRequest;

/* @path may have any prefix before /runs or /feedback. Broken framing, JSON or part names are
 * errors here, broken runs only in wire_check_op (). */
WireRequest *wire_request_parse (const char *method,
                                 const char *path,
                                 const char *content_type,
                                 GBytes *body,
                                 WireFlags flags,
                                 GError **error);
void wire_request_free (WireRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WireRequest, wire_request_free)

/* (transfer none) (nullable); @op or @id may be NULL: any */
WireOp *wire_request_find (WireRequest *self, const char *op, const char *id);

gboolean wire_check_op (WireOp *op, WireFlags flags, GError **error);
gboolean wire_check_feedback (JsonObject *feedback, WireFlags flags, GError **error);
/* every op and every feedback of the request */
gboolean wire_check_request (WireRequest *self, WireFlags flags, GError **error);

/* --- small readers ------------------------------------------------------------------------- */

/* 36 characters, lower case, hyphens in place */
gboolean wire_is_uuid (const char *text);
/* the Unix time in ms inside a version 7 UUID, -1 for any other version */
gint64 wire_uuid_get_ms (const char *uuid);
/* µs since 1970 of a JSON timestamp, -1 when it is none */
gint64 wire_parse_time (JsonNode *node, WireFlags flags);

/* --- trees --------------------------------------------------------------------------------- */

typedef struct _WireTree WireTree;

typedef struct
{
  char *id;           /* (owned) */
  char *parent_id;    /* (owned) (nullable) */
  char *trace_id;     /* (owned) (nullable) */
  char *dotted_order; /* (owned) "" when it never came */
  char *name;         /* (owned) "" when it never came */
  char *run_type;     /* (owned) "" when it never came */
  gint64 start_us;    /* -1 when it never came */
  gint64 end_us;      /* -1 while the run is pending */
  guint n_posts;
  guint n_patches;
  JsonObject *run;        /* (owned) everything, merged */
  GPtrArray *attachments; /* (owned) (element-type WireAttachment) */
} WireRun;

typedef enum
{
  WIRE_TREE_PLAIN = 0, /* name, type and status only */
  WIRE_TREE_INPUTS = 1 << 0,
  WIRE_TREE_OUTPUTS = 1 << 1,
  WIRE_TREE_DURATIONS = 1 << 2, /* in µs */
  WIRE_TREE_ERRORS = 1 << 3,    /* the text of the error */
} WireTreeTextFlags;

typedef enum
{
  WIRE_TREE_CHECK_PARENTS = 1 << 0, /* every parent exists */
  WIRE_TREE_CHECK_POSTS = 1 << 1,   /* no id posted twice */
  WIRE_TREE_CHECK_PATCHES = 1 << 2, /* none patched twice */
  WIRE_TREE_CHECK_ENDED = 1 << 3,   /* every run was posted, and has ended */
  WIRE_TREE_CHECK_LINKS = WIRE_TREE_CHECK_PARENTS | WIRE_TREE_CHECK_POSTS | WIRE_TREE_CHECK_PATCHES,
  WIRE_TREE_CHECK_ALL = WIRE_TREE_CHECK_LINKS | WIRE_TREE_CHECK_ENDED,
} WireTreeChecks;

WireTree *wire_tree_new (void);
void wire_tree_free (WireTree *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WireTree, wire_tree_free)

/* Posts and patches may come in any order. */
void wire_tree_add_op (WireTree *self, WireOp *op);
void wire_tree_add_request (WireTree *self, WireRequest *request);

guint wire_tree_get_n_runs (WireTree *self);
guint wire_tree_get_n_pending (WireTree *self);
guint wire_tree_get_n_feedback (WireTree *self);

/* (element-type WireRun) (transfer container): all ordered by dotted_order */
GPtrArray *wire_tree_dup_runs (WireTree *self);
GPtrArray *wire_tree_dup_roots (WireTree *self);
GPtrArray *wire_tree_dup_pending (WireTree *self);
GPtrArray *wire_tree_dup_children (WireTree *self, const char *id);

/* (transfer none) (nullable): the first one by dotted_order */
WireRun *wire_tree_find (WireTree *self, const char *name);
WireRun *wire_tree_lookup (WireTree *self, const char *id);
/* (transfer none) (nullable): the only root, NULL when there is none or more than one */
WireRun *wire_tree_get_root (WireTree *self);
/* (transfer none) (nullable) (element-type JsonObject) */
GPtrArray *wire_tree_get_feedback (WireTree *self);

gboolean wire_tree_check (WireTree *self, WireTreeChecks checks, GError **error);

/* Indented text, one line per run and two spaces per level; the same for equal trees, whatever
 * their ids and times are:
 *
 *   agent chain ok
 *     search tool ok
 *     calc tool error
 *     model llm pending
 *
 * A run without its parent is a root marked "(orphan)". */
char *wire_tree_to_string (WireTree *self, WireTreeTextFlags flags);

/* (transfer none) (nullable): a member of the merged run by path, like "extra.metadata.ls_provider" */
JsonNode *wire_run_get (WireRun *run, const char *path);
/* (transfer none) (nullable): the same as a string, NULL when it is no string */
const char *wire_run_get_string (WireRun *run, const char *path);

G_END_DECLS
