// Applies all migrations of a folder with goose, or undoes one: FOLDER DATABASE [down].
package main

import (
	"database/sql"
	"log"
	"os"

	_ "github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
)

func main() {
	db, err := sql.Open("sqlite3", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := goose.SetDialect("sqlite3"); err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 3 {
		err = goose.Down(db, os.Args[1])
	} else {
		err = goose.Up(db, os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}
