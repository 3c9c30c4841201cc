package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
)

// FerretDB 1.24 looks a document up by the expression _ferretdb_sjson->'$._id', but indexes
// _ferretdb_sjson->"_id", which SQLite takes for another one: every look-up, update and delete by _id
// scans the whole table. An index on the expression that is asked for makes them what they should be.
const lookUp = `_ferretdb_sjson->'$._id'`

// How long a new collection may be without it; it is small then.
const interval = 250 * time.Millisecond

// indexLookUps gives each collection in the folder its index, until the context ends.
func indexLookUps(ctx context.Context, folder string) {
	databases := map[string]*sql.DB{}
	for {
		files, _ := filepath.Glob(filepath.Join(folder, "*.sqlite"))
		for _, file := range files {
			if databases[file] == nil {
				db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=busy_timeout(10000)")
				if err != nil {
					slog.Error("cannot open database", "file", file, "error", err)
					continue
				}
				db.SetMaxOpenConns(1)
				databases[file] = db
			}
			if err := indexCollections(ctx, databases[file]); err != nil && ctx.Err() == nil {
				slog.Error("cannot index look-ups", "file", file, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

func indexCollections(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `
		SELECT t.name FROM sqlite_master AS t
		WHERE t.type = 'table' AND t.name NOT LIKE '\_ferretdb\_%' ESCAPE '\'
		  AND NOT EXISTS (SELECT 1 FROM sqlite_master AS i WHERE i.name = t.name || '_look_up')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return err
		}
		tables = append(tables, table)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for _, table := range tables {
		quoted := strings.ReplaceAll(table, `"`, `""`)
		statement := fmt.Sprintf(`CREATE INDEX IF NOT EXISTS "%s_look_up" ON "%s" (%s)`, quoted, quoted, lookUp)
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return rows.Err()
}
