// Command consumer is a program outside of the tree: it imports the client as any program
// would, encrypts a body and writes the message to its output.
package main

import (
	"context"
	"log"
	"os"

	"github.com/keyward/keyward/pkg/client"
)

func main() {
	address, ca, token, endpoint := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	conn, err := client.Dial(client.Config{Address: address, CA: ca, Token: client.FileToken(token)})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	message, err := client.NewAllowlist(conn).EncryptRequest(context.Background(), endpoint, []byte("from outside"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(message.Body); err != nil {
		log.Fatal(err)
	}
}
