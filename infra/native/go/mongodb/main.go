// A MongoDB-protocol server for machines without a mongod: FerretDB, storing in SQLite.
//
// FerretDB's own command refuses to start when it is built as a dependency, so its embeddable
// package is used instead. Arguments: address to listen on, folder to store in (must exist).
package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	folder := os.Args[2]
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Handler:   "sqlite",
		SQLiteURL: "file:" + filepath.ToSlash(folder) + "/",
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go indexLookUps(ctx, folder)
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
