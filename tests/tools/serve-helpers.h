/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program lsobs, run by a test: with a home of its own, and requests to it. */

#pragma once

#include <libsoup/soup.h>

#include "tests/tools/store-helpers.h"

G_BEGIN_DECLS

typedef struct
{
  char *folder;         /* (owned) */
  char *database;       /* (owned) path */
  GSubprocess *process; /* (owned) (nullable) "lsobs serve" */
  char *url;            /* (owned) (nullable) of it */
  char *token;          /* (owned) (nullable) */
  SoupSession *session; /* (owned) */
} ServeFixture;

void serve_fixture_set_up (ServeFixture *self, gconstpointer data);
void serve_fixture_tear_down (ServeFixture *self, gconstpointer data);

/* Starts "lsobs serve" with more words, which are in one text, and waits for its address.
 * @shell: (nullable): commands of a shell before that */
void serve_start (ServeFixture *self, const char *shell, const char *words);
/* Ends it by a signal, and waits for that. */
void serve_stop (ServeFixture *self, int number);

/* Runs lsobs with these words, and returns its exit code.
 * @output, @errors: (out) (transfer full) (optional) */
int serve_run (ServeFixture *self, const char *words, char **output, char **errors);

/* Sends a request with the token, and returns the status.
 * @type, @encoding, @body: (nullable)
 * @answer: (out) (transfer full) (optional) */
guint serve_send (ServeFixture *self,
                  const char *method,
                  const char *path,
                  const char *type,
                  const char *encoding,
                  GBytes *body,
                  char **answer);
/* The same with JSON in which single quotes stand for double ones, and an answer that has to be JSON. */
JsonNode *serve_ask (ServeFixture *self,
                     const char *method,
                     const char *path,
                     const char *json,
                     guint status);
/* Sends bytes, and nothing else. Returns (transfer full): what is answered until the connection is closed.
 * In @text, @T stands for the token, and @H for the host and the port. */
char *serve_send_raw (ServeFixture *self, const char *text);

/* (transfer full): the database, to be read */
Store *serve_open_store (ServeFixture *self);

G_END_DECLS
