/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts that the commands of lsobs share: descriptions, options, messages, exit codes, and how
 * a command is run. A new command is one file commands/NAME.c with a Command, one line below, and
 * one in lsobs.c. */

#pragma once

#include <stdio.h>

#include <glib.h>

#include "lsobs/core/lsobs-id-private.h"

#include "tools/store/store.h"

G_BEGIN_DECLS

/* Exit codes. */
typedef enum
{
  COMMAND_DONE = 0,
  COMMAND_FAILED = 1, /* it could not do what it should; the message is printed */
  COMMAND_USAGE = 2   /* wrong options or arguments */
} CommandResult;

typedef struct
{
  const char *name;
  const char *summary; /* marked with N_ (): one line for the list of commands */
  const char
      *arguments; /* (nullable) marked with N_ (): what follows the options, such as "[ID…]" */
  const char *details; /* (nullable) marked with N_ (): is printed below the summary */
  const GOptionEntry *entries;
  /* @words: NULL-terminated: what is left after the options. Returns the exit code */
  int (*run) (char **words);
  gboolean strict;  /* options end at the first word that is none */
  gboolean chooses; /* has the options of transfer/choice.h, too */
} Command;

extern const Command command_delete;
extern const Command command_doctor;
extern const Command command_export;
extern const Command command_forward;
extern const Command command_import;
extern const Command command_list;
extern const Command command_run_program;
extern const Command command_serve;
extern const Command command_show;
extern const Command command_tail;

/* Reads the options of a command, and runs it.
 * @argv: its name, and what follows */
int command_run (const Command *command, int argc, char **argv);

/* Prints "lsobs: MESSAGE" to standard error, without control characters. */
void command_print_error (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* Prints the message of @error, frees it, and returns COMMAND_FAILED. @error: (transfer full) */
int command_fail (GError *error);
/* Prints a message about wrong arguments, and returns COMMAND_USAGE. */
int command_refuse (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* The option --database=FILE, for the entries of a command. */
extern char *command_database;
#define COMMAND_OPTION_DATABASE \
 { \
  "database", 'd', 0, G_OPTION_ARG_FILENAME, &command_database, \
      N_ ("The file with the traces [~/.local/share/lsobs/traces.db]"), N_ ("FILE") \
 }

/* Opens the database of the option, or the default one. If it fails, the message is printed.
 * Returns: (transfer full) (nullable) */
Store *command_open_store (DatabaseMode mode);

/* The number of characters at the end of an id that lists show. People copy them to name a run. */
#define COMMAND_SHORT_ID 8

/* Finds a run by its id, or by the last four digits of it or more. Returns: FALSE with an error */
gboolean command_find_run (Store *store, const char *word, LsobsId *id, GError **error);

/* Finds the traces that words name, as command_find_run () does; a run below a root stands for its trace.
 * Returns: (transfer full) (nullable) (element-type LsobsId): empty if there are no words */
GArray *command_find_traces (Store *store, char **words, GError **error);

/* From now on, SIGINT, SIGTERM and SIGHUP do not end the process at once; a second one does. */
void command_catch_signals (void);
/* Returns: the signal that has come, or 0 */
int command_get_signal (void);

/* Prints runs as JSON, one in a line, to @file, and flushes. @runs: (element-type Run): whole */
gboolean command_print_json (Store *store, GPtrArray *runs, FILE *file, GError **error);

G_END_DECLS
