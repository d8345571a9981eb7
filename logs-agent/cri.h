/*
 * Lines of CRI files (spec/logs.md §13.2): `<time> <stream> <P|F> <content>`, split at the first
 * three single blanks. With fewer than three parts the line passes raw, with exactly three its
 * content is empty. Pure; the piece borrows the line.
 */
#ifndef BH_LOGS_CRI_H
#define BH_LOGS_CRI_H

#include "logs-agent/piece.h"

struct bh_piece bh_cri_parse(struct bh_str line);

#endif
