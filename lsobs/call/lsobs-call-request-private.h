/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/call/lsobs-call-format-private.h"

G_BEGIN_DECLS

/* What the request of a model says about the call. Immutable. Of its URL there are only the
 * provider and the model: what else is in a URL may be secret. */
typedef struct
{
  const LsobsCallFormat *format; /* (nullable) NULL if it is not known */
  const char *provider;          /* (nullable) */
  char *model;                   /* (owned) (nullable) */
  GBytes *inputs;                /* (owned) (nullable) JSON text, or text that is none */
  JsonNode *params;              /* (owned) (nullable) an object with the parameters to be sent */
  JsonNode *metadata; /* (owned) (nullable) an object that the program sends to the provider */
  gsize n_cut;        /* bytes of the body that are left out */
  guint n_choices;
  gboolean asks_usage; /* of a stream */
  gboolean is_guess;   /* the body tells the format, and not the URL */
} LsobsCallRequest;

LsobsCallRequest *_lsobs_call_request_new (const char *url, GBytes *body);
void _lsobs_call_request_free (LsobsCallRequest *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCallRequest, _lsobs_call_request_free)

G_END_DECLS
