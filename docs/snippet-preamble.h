/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the pieces of code in README, in the guides and in the reference take for
 * granted: tests/checks/test-docs.sh compiles each of them after this file. A piece that has
 * an #include is a program and stands alone; one that has a static function is compiled
 * as it is, and any other as the body of a function.
 */

#include <lsobs/lsobs.h>

/* what a program has before it traces anything */
extern const char *api_key;
extern LsobsConfig *config;
extern GError *error;

/* what it traces with, and what it traces */
extern LsobsObserver *observer;
extern LsobsRun *parent;
extern LsobsRun *run;
extern const char *run_id;
extern const char *trace_id;
extern LsobsUsage *usage;

/* what the runs are about */
extern JsonNode *question;
extern JsonNode *answer;
extern JsonNode *inputs;
extern JsonNode *request;
extern JsonNode *response;
extern JsonNode *args;
extern JsonNode *result;

/* the call of a model */
extern GBytes *body;
extern GCancellable *cancellable;
extern GInputStream *stream;
extern SoupSession *session;
extern const char *url;
extern guint status;

/* between processes */
extern GHashTable *headers;
extern SoupMessage *message;
extern SoupMessageHeaders *message_headers;

void found_cb (GObject *source, GAsyncResult *result, gpointer user_data);
void replayed_cb (GObject *source, GAsyncResult *result, gpointer user_data);
