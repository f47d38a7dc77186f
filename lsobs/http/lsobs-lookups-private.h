/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

G_BEGIN_DECLS

/* Looks things up at a service, with GET requests that carry no records. Lookups wait for the key of
 * the service together, and wake the worker after each answer. Used only in the context that
 * sends. */
typedef struct _LsobsLookups LsobsLookups;

/* The answer to a lookup. */
typedef struct
{
  SoupMessage *message;  /* the lookup */
  guint status;          /* of HTTP */
  const char *text;      /* (nullable) %NULL: no answer came */
  gsize len;             /* of text */
  LsobsOutcome outcome;  /* UNREACHABLE without an answer */
  const GError *problem; /* (nullable) why no answer came */
} LsobsLookupAnswer;

typedef void (*LsobsLookupFunc) (const LsobsLookupAnswer *answer, gpointer user_data);

LsobsLookups *_lsobs_lookups_new (LsobsSettings *settings, LsobsRoute *route);
LsobsLookups *_lsobs_lookups_ref (LsobsLookups *self);
void _lsobs_lookups_unref (LsobsLookups *self);
void _lsobs_lookups_leave_parent (LsobsLookups *self);
void _lsobs_lookups_close (LsobsLookups *self);

void _lsobs_lookups_set_waker (LsobsLookups *self, GSource *waker);
void _lsobs_lookups_assert_context (LsobsLookups *self);
void _lsobs_lookups_wake (LsobsLookups *self, gint64 time);

LsobsCredentialsState _lsobs_lookups_need_key (LsobsLookups *self);
gboolean _lsobs_lookups_refuse_key (LsobsLookups *self, const LsobsLookupAnswer *answer);

void _lsobs_lookups_start (LsobsLookups *self,
                           const char *path,
                           const LsobsExchangeLimits *limits,
                           GCancellable *cancellable,
                           LsobsLookupFunc func,
                           gpointer user_data,
                           GDestroyNotify notify);
gboolean _lsobs_lookup_answer_refuses_key (const LsobsLookupAnswer *answer);
GError *_lsobs_lookups_make_error (LsobsLookups *self, const LsobsLookupAnswer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsLookups, _lsobs_lookups_unref)

G_END_DECLS
